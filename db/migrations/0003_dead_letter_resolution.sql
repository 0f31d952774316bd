-- Up Migration

-- What became of a dead letter: when, by whom, why; and where in the log a redriven one went.
ALTER TABLE dead_letters
  ADD COLUMN resolved_at timestamptz,
  ADD COLUMN resolved_by text,
  ADD COLUMN resolution text,
  ADD COLUMN redriven_partition integer,
  ADD COLUMN redriven_offset bigint;
UPDATE dead_letters SET resolved_at = clock_timestamp() WHERE status <> 'open';
ALTER TABLE dead_letters
  ADD CONSTRAINT resolved_or_open CHECK ((status = 'open') = (resolved_at IS NULL)),
  ADD CONSTRAINT redriven_somewhere CHECK (
    (redriven_partition IS NULL) = (redriven_offset IS NULL) AND (status = 'redriven' OR redriven_offset IS NULL));

-- What operators look at is few among many that are resolved.
CREATE INDEX dead_letters_open ON dead_letters (id) WHERE status = 'open';

-- Down Migration

DROP INDEX dead_letters_open;
ALTER TABLE dead_letters
  DROP COLUMN resolved_at, DROP COLUMN resolved_by, DROP COLUMN resolution,
  DROP COLUMN redriven_partition, DROP COLUMN redriven_offset;
