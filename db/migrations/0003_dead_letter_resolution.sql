-- Up Migration

-- What became of a dead letter: when, by whom, why; and where in the log a redriven one went.
-- Nothing here reads a row, so that the lock that keeps writers out is held for a moment only.
ALTER TABLE dead_letters
  ADD COLUMN resolved_at timestamptz,
  ADD COLUMN resolved_by text,
  ADD COLUMN resolution text,
  ADD COLUMN redriven_partition integer,
  ADD COLUMN redriven_offset bigint,
  ADD CONSTRAINT resolved_or_open CHECK ((status = 'open') = (resolved_at IS NULL)) NOT VALID,
  ADD CONSTRAINT redriven_somewhere CHECK (
    (redriven_partition IS NULL) = (redriven_offset IS NULL) AND (status = 'redriven' OR redriven_offset IS NULL)) NOT VALID;

-- Down Migration

ALTER TABLE dead_letters
  DROP COLUMN resolved_at, DROP COLUMN resolved_by, DROP COLUMN resolution,
  DROP COLUMN redriven_partition, DROP COLUMN redriven_offset;
