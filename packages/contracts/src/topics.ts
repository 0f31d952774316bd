/** Every topic, by domain. Names are fixed: operators and other consumers know them. */
export const topics = {
  reservationCommands: 'reservations.commands',
  reservationEvents: 'reservations.events',
  bookingCommands: 'bookings.commands',
  bookingEvents: 'bookings.events',
} as const

export type TopicName = (typeof topics)[keyof typeof topics]

/** Those with commands: their partitions have writers, fences, lag and dead letters. */
export const commandTopics = [topics.reservationCommands, topics.bookingCommands] as const
export type CommandTopic = (typeof commandTopics)[number]

/** The consumer group that reads a topic: the configured one itself for reservations, the others are named after it. */
export function consumerGroup(configured: string, topic: CommandTopic): string {
  switch (topic) {
    case topics.reservationCommands:
      return configured
    case topics.bookingCommands:
      return `${configured}-bookings`
  }
}

/** How each topic is made (ARCHITECTURE "The log"): log time, retention by time, no size limit. */
export const topicSettings: Readonly<Record<string, string>> = {
  'message.timestamp.type': 'LogAppendTime',
  'retention.ms': String(7 * 24 * 3600 * 1000),
  'retention.bytes': '-1',
  'max.message.bytes': String(2 * 1024 * 1024),
}
