export { findProgram, type Outcome, type RunOptions, run } from './commands.ts'
export { type LocalConfig, readLocalConfig, serversOfTests } from './config.ts'
export { dockerExecCommand, dockerLogsCommand, dockerStarted, removeDocker } from './docker.ts'
export { EndedEarly, LocalFault } from './faults.ts'
export {
  chaosFolder,
  chaosFolders,
  checkout,
  folders,
  pidOfTestFolder,
  removeStack,
  stackFolders,
  testFolder,
  testFolders,
} from './folders.ts'
export { install, obtainProgram, type Wanted } from './install.ts'
export { killNative } from './native.ts'
export { appNodeOptions } from './node-options.ts'
export {
  claimPidFile,
  isRunning,
  markOf,
  type ProcessMark,
  pidPath,
  readPidFile,
  removePidFile,
  runningNames,
  writePidFile,
} from './pid-files.ts'
export { findFreePorts, isPortFree, LOOPBACK, requireFreePort } from './ports.ts'
export { postgresUrl } from './postgres.ts'
export { findPostgresProgram } from './postgres-programs.ts'
export { probeReady } from './probes.ts'
export {
  type Launch,
  launch,
  logPath,
  type RunningProcess,
  stopByPidFile,
  stopProcess,
  tailOf,
  waitReady,
} from './processes.ts'
export { type Ports, type ServerName, type StackFolder, serverNames } from './server.ts'
export {
  type Addresses,
  addressesOf,
  type ServerProcess,
  type Source,
  type Stack,
  stackIsRunning,
  startStack,
  stopStack,
} from './stack.ts'
export { waitUntil } from './waiting.ts'
