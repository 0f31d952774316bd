import { requireNoArguments } from '../arguments.ts'
import type { Command } from '../command.ts'
import type { CliConfig } from '../config.ts'
import { kafkaSettings, topicPlans, withLogAdmin } from '../log.ts'

export const topicsCommand: Command = {
  name: 'topics',
  summary: "make the topics that are missing, bring the others' settings in line",
  usage: '',
  details: `PARTITIONS (12) says how many partitions. A topic that has another number is an error and stays as it is:
changing it would move keys between writers. ./ironsys up does this by itself.`,
  run: async (args, { config, say }) => {
    requireNoArguments(args)
    await ensureTopics(config, say)
    return 0
  },
}

/** Makes or checks all topics and says what is there. */
export async function ensureTopics(config: CliConfig, say: (line: string) => void): Promise<void> {
  const plans = topicPlans(config.partitionCount)
  await withLogAdmin(kafkaSettings(config), (admin) => admin.ensureTopics(plans))
  say(`topics: ${plans.map((plan) => plan.topic).join(', ')} (${config.partitionCount} partitions each)`)
}
