/** Where the shared buckets are. */
import type { Bucket } from './bucket.ts'

export interface TokenRequest {
  readonly key: string
  readonly bucket: Bucket
  /** Tokens to take at most; 0 only looks. */
  readonly want: number
  /** With fewer than this to be had nothing is taken; 1 at least, `want` at most unless that is 0. */
  readonly least: number
}

export interface Grant {
  readonly granted: number
  /** What the bucket held afterwards; negative: owed. */
  readonly left: number
}

export interface TokenSource {
  /** Rejects, soon, when it cannot be asked. Tokens of a request that was rejected may have been taken. */
  take(request: TokenRequest): Promise<Grant>
}
