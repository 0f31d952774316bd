import { runProcess } from '@ironsys/lifecycle'
import { createLogger, createMetrics } from '@ironsys/telemetry'
import { readConfig } from './config.ts'
import { startApi } from './server.ts'

await runProcess('api', () => {
  const config = readConfig()
  const logger = createLogger({ name: 'api', level: config.LOG_LEVEL })
  return { logger, start: () => startApi(config, createMetrics('api'), logger) }
})
