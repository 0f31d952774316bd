/** All that is checked of a run, in the order in which it is reported. */
import { answerIsDecision } from './answer-checks.ts'
import {
  ledgerGapless,
  logDrained,
  neverOversold,
  nothingIsLeftOpen,
  reservationsMatchLedger,
  stateIsLedgerSum,
  unitsBalance,
  userLimitKept,
} from './book-checks.ts'
import { bookingsAllOrNone, bookingsLiveOnce } from './booking-checks.ts'
import { eventsGapless, eventsMatchBookings, eventsMatchLedger } from './event-checks.ts'
import type { Check } from './evidence.ts'
import { readsGoForward, readsMatchLedger, snapshotsAgree } from './read-checks.ts'
import {
  acceptedIsDecided,
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
  unitsBalance,
  userLimitKept,
  nothingIsLeftOpen,
  bookingsAllOrNone,
  bookingsLiveOnce,
  logDrained,
  eventsGapless,
  eventsMatchLedger,
  eventsMatchBookings,
  readsMatchLedger,
  readsGoForward,
  snapshotsAgree,
  rollingLosesNothing,
]
