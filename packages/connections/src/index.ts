export {
  type KafkaSecurity,
  kafkaSecurity,
  type SecurityEnvironment,
  securityEnvironment,
  securityFaults,
} from './security.ts'
