/** All that is checked of a run, in the order in which it is reported. */
import {
  ledgerGapless,
  logDrained,
  neverOversold,
  reservationsMatchLedger,
  stateIsLedgerSum,
} from './book-checks.ts'
import { eventsGapless, eventsMatchLedger } from './event-checks.ts'
import type { Check } from './evidence.ts'
import { readsGoForward, readsMatchLedger, snapshotsAgree } from './read-checks.ts'
import {
  acceptedIsDecided,
  answerIsDecision,
  answersAreDocumented,
  nothingUnasked,
  oneEffect,
  refusedHasNoEffect,
  rollingLosesNothing,
} from './request-checks.ts'

export const checks: readonly Check[] = [
  acceptedIsDecided,
  oneEffect,
  refusedHasNoEffect,
  answerIsDecision,
  answersAreDocumented,
  nothingUnasked,
  ledgerGapless,
  neverOversold,
  stateIsLedgerSum,
  reservationsMatchLedger,
  logDrained,
  eventsGapless,
  eventsMatchLedger,
  readsMatchLedger,
  readsGoForward,
  snapshotsAgree,
  rollingLosesNothing,
]
