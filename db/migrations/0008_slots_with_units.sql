-- Up Migration

-- So that a page of the slots that have units left, or of those that have none, reads its own rows and no others, however
-- rare they are. As a stored column, and not as an index over an expression: an update that does not change the value
-- writes to no index (HOT), and reservations change it twice in a slot's life, not each time.
ALTER TABLE slots ADD COLUMN has_units boolean NOT NULL
  GENERATED ALWAYS AS (held + confirmed < limit_units(capacity, overbooking_bps)) STORED;
CREATE INDEX slots_by_units_and_time ON slots (has_units, start_time, id);

-- Down Migration

ALTER TABLE slots DROP COLUMN has_units;
