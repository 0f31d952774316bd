/** Every topic, by domain. Names are fixed: operators and other consumers know them. */
export const topics = {
  reservationCommands: 'reservations.commands',
  reservationEvents: 'reservations.events',
} as const

export type TopicName = (typeof topics)[keyof typeof topics]

/** How each topic is made (ARCHITECTURE "The log"): log time, retention by time, no size limit. */
export const topicSettings: Readonly<Record<string, string>> = {
  'message.timestamp.type': 'LogAppendTime',
  'retention.ms': String(7 * 24 * 3600 * 1000),
  'retention.bytes': '-1',
  'max.message.bytes': String(2 * 1024 * 1024),
}
