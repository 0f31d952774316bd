/** Which failures of a consumer need a human. */
import { brokerErrorType, rootCause } from './client.ts'

/** Joining again would fail in the same way until somebody changes something. */
const hopeless: readonly string[] = [
  'TOPIC_AUTHORIZATION_FAILED',
  'GROUP_AUTHORIZATION_FAILED',
  'CLUSTER_AUTHORIZATION_FAILED',
  'SASL_AUTHENTICATION_FAILED',
  'UNSUPPORTED_SASL_MECHANISM',
  'INVALID_GROUP_ID',
  'INVALID_SESSION_TIMEOUT',
  'INCONSISTENT_GROUP_PROTOCOL',
  'UNSUPPORTED_VERSION',
  'KafkaJSSASLAuthenticationError',
  'KafkaJSServerDoesNotSupportApiKey',
  'KafkaJSNotImplemented',
]

export function isHopeless(error: unknown): boolean {
  const cause = rootCause(error)
  const name = cause instanceof Error ? cause.name : ''
  return hopeless.includes(brokerErrorType(error) ?? name)
}
