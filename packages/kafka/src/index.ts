export {
  createLogAdmin,
  type LogAdmin,
  requireTopic,
  type TopicDescription,
  type TopicPlan,
} from './admin.ts'
export { type KafkaLogger, type KafkaSettings, silentLogger } from './client.ts'
export { type CommandConsumer, createCommandConsumer, createConsumerOn } from './consumer.ts'
export {
  type ConsumerConnection,
  type ConsumerHandlers,
  type ConsumerOptions,
  defaultConsumerOptions,
} from './consumer-options.ts'
export type { ConsumerSession, SessionEvents } from './consumer-session.ts'
export type { ProduceBreaker } from './produce-breaker.ts'
export { judgeLog } from './produce-faults.ts'
export type { ProduceLink } from './produce-link.ts'
export { type CommandProducer, createCommandProducer, createProducerOn } from './producer.ts'
export { defaultProducerOptions, type ProducerObserver, type ProducerOptions } from './producer-options.ts'
export type { SocketFactory } from './sockets.ts'
