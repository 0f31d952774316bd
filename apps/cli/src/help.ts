/** What `./ironsys help` says. */
import type { Command } from './command.ts'

const groups: readonly { readonly title: string; readonly names: readonly string[] }[] = [
  { title: 'Run it', names: ['up', 'down', 'logs', 'demo', 'bench'] },
  { title: 'Look inside', names: ['psql', 'redis-cli', 'lag', 'audit', 'replay', 'dlq'] },
  { title: 'Let callers in', names: ['token', 'api-key'] },
  { title: 'Change it while it runs', names: ['config'] },
  { title: 'Take data away', names: ['retention', 'erase'] },
  { title: 'Set it up', names: ['migrate', 'topics', 'seed', 'clean', 'rebuild'] },
  { title: 'Work on it', names: ['test', 'sim', 'chaos', 'verify', 'lint', 'schema', 'openapi'] },
  { title: 'More', names: ['help', 'version'] },
]

export function generalHelp(commands: readonly Command[]): string {
  const width = Math.max(...commands.map((command) => command.name.length))
  const lines = groups.flatMap(({ title, names }) => [
    '',
    `${title}:`,
    ...commands
      .filter((command) => names.includes(command.name))
      .map((command) => `  ${command.name.padEnd(width)}  ${command.summary}`),
  ])
  return [
    'usage: ./ironsys <command> [arguments]',
    ...lines,
    '',
    './ironsys help <command> says more; so does ./ironsys <command> --help.',
  ].join('\n')
}

export function commandHelp(command: Command): string {
  const usage = `usage: ./ironsys ${command.name} ${command.usage}`.trimEnd()
  return [
    usage,
    '',
    `${command.summary[0]?.toUpperCase()}${command.summary.slice(1)}.`,
    '',
    command.details,
  ].join('\n')
}
