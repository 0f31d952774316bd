/** What the stack knows of each of its three servers. */
import type { RunningProcess } from './processes.ts'

export const serverNames = ['postgres', 'redis', 'kafka'] as const
export type ServerName = (typeof serverNames)[number]

export interface Ports {
  readonly postgres: number
  readonly redis: number
  readonly kafka: number
  /** Kafka's controller listens apart from the broker. */
  readonly kafkaController: number
}

export interface StackFolder {
  /** Holds logs and pid files. */
  readonly path: string
  readonly ports: Ports
  /** True for a stack that is thrown away at the end: nothing has to survive a crash of the machine. */
  readonly disposable: boolean
  /** The port that Kafka tells its clients when they come through a proxy; its own when absent. */
  readonly kafkaAdvertisedPort?: number
  /** Beside Kafka's own settings, or instead of them; and what its storage is formatted with, such as users. */
  readonly kafka?: {
    readonly settings: Readonly<Record<string, string>>
    readonly formatArguments: readonly string[]
  }
  readonly report: (line: string) => void
  /** Aborts when the start is called off. */
  readonly signal: AbortSignal
}

/** A server run as a process of this machine. */
export interface NativeServer {
  readonly name: ServerName
  /** Finds or installs the programs and makes the data folder; starts nothing. */
  prepare(): Promise<void>
  /** Starts it and resolves when it answers. */
  start(): Promise<RunningProcess>
}
