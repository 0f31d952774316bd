-- Up Migration

-- What reads all rows, in a transaction of its own: writers go on, until the index, the last step, is built.
UPDATE dead_letters SET resolved_at = clock_timestamp() WHERE status <> 'open' AND resolved_at IS NULL;
ALTER TABLE dead_letters VALIDATE CONSTRAINT resolved_or_open;
ALTER TABLE dead_letters VALIDATE CONSTRAINT redriven_somewhere;

-- What operators look at is few among many that are resolved.
CREATE INDEX dead_letters_open ON dead_letters (id) WHERE status = 'open';

-- Down Migration

DROP INDEX dead_letters_open;
