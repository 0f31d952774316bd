/** Turbo runs the root's tasks side by side and remembers what has not changed. */
import { join } from 'node:path'
import { checkout } from '@ironsys/local'

export function turboCommand(
  tasks: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
) {
  return {
    command: join(checkout, 'node_modules', '.bin', 'turbo'),
    args: ['run', ...tasks.map((task) => `//#${task}`), '--ui=stream', '--output-logs=errors-only'],
    env: { ...environment, TURBO_TELEMETRY_DISABLED: '1', DO_NOT_TRACK: '1', TURBO_NO_UPDATE_NOTIFIER: '1' },
  }
}
