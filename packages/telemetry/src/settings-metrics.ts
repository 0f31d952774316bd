/** Metrics of the runtime settings: a part of the table in metrics-table.ts. */
import type { MetricSpec } from './metrics-table.ts'

export const settingsMetrics = {
  settingsVersion: {
    name: 'ironsys_settings_version',
    help: 'The stored version of the runtime settings that is in force; 0: none, the environment alone.',
    type: 'gauge',
    labels: [],
  },
  settingsIgnoredVersion: {
    name: 'ironsys_settings_ignored_version',
    help: 'The newest version of the runtime settings, where this process cannot read it and ignores it; else 0.',
    type: 'gauge',
    labels: [],
  },
  settingsLooks: {
    name: 'ironsys_settings_looks_total',
    help: 'Looks for newer runtime settings, by result: answered, failed.',
    type: 'counter',
    labels: ['result'],
  },
} as const satisfies Record<string, MetricSpec>
