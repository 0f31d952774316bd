export {
  appEnvironment,
  endApp,
  type LaunchedApp,
  launchApp,
  waitAppReady,
} from './app-launch.ts'
export { type TestServices, testServices } from './services.ts'
export {
  type EventsClient,
  openEvents,
  openWebSocket,
  type StreamClient,
  type StreamMessage,
} from './stream-client.ts'
export { startSystem, type TestApp, type TestSystem } from './system.ts'
export { type Answer, type Client, createClient } from './system-client.ts'
export { createTcpProxy, type Fault, type FaultOptions, type TcpProxy } from './tcp-proxy.ts'
export { createTestDatabase, type TestDatabase } from './test-database.ts'
