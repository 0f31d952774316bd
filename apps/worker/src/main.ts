import { runProcess } from '@ironsys/lifecycle'
import { createLogger, createMetrics } from '@ironsys/telemetry'
import { readConfig } from './config.ts'
import { startWorker } from './worker.ts'

await runProcess('worker', () => {
  const config = readConfig()
  const logger = createLogger({ name: 'worker', level: config.logLevel })
  return { logger, start: () => startWorker(config, createMetrics('worker'), logger) }
})
