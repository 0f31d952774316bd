export {
  createLogAdmin,
  type LogAdmin,
  requireTopic,
  type TopicDescription,
  type TopicPlan,
} from './admin.ts'
export type { KafkaLogger, KafkaSettings } from './client.ts'
export {
  type CommandConsumer,
  type ConsumerHandlers,
  type ConsumerOptions,
  createCommandConsumer,
  defaultConsumerOptions,
} from './consumer.ts'
export { type CommandProducer, createCommandProducer } from './producer.ts'
export { defaultProducerOptions, type ProducerObserver, type ProducerOptions } from './producer-options.ts'
export type { SocketFactory } from './sockets.ts'
