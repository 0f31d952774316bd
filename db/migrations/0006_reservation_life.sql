-- Up Migration

-- A batch may end between two steps of one command and then consumes no record: what tells it from a batch of another
-- writer is the last event. `steps`: those that the command at `next_offset` has taken.
ALTER TABLE partition_progress ADD COLUMN steps integer NOT NULL DEFAULT 0;
DROP FUNCTION advance_partition;
CREATE FUNCTION advance_partition(
  of_topic text, of_partition integer, from_offset bigint, in_epoch bigint, from_event_seq bigint, to_offset bigint,
  to_log_time timestamptz, record_digest text, record_time timestamptz, to_event_seq bigint, to_steps integer
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  UPDATE partition_progress
     SET next_offset = to_offset, log_time = to_log_time, last_record_digest = record_digest,
         last_record_time = record_time, event_seq = to_event_seq, steps = to_steps, updated_at = clock_timestamp()
   WHERE topic = of_topic AND partition = of_partition
     AND next_offset = from_offset AND epoch = in_epoch AND event_seq = from_event_seq;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'partition % of % is not at offset % and event % in epoch % any more',
      of_partition, of_topic, from_offset, from_event_seq, in_epoch USING ERRCODE = 'IS001';
  END IF;
END $$;

-- `partition` is null as long as nothing was written since this migration: such a slot has no holds either.
ALTER TABLE slots
  ADD COLUMN partition integer,
  ADD COLUMN hold_ttl_ms bigint CHECK (hold_ttl_ms > 0),
  ADD COLUMN max_per_user integer CHECK (max_per_user > 0),
  ADD COLUMN waitlist boolean NOT NULL DEFAULT false,
  ADD COLUMN waitlist_count integer NOT NULL DEFAULT 0 CHECK (waitlist_count >= 0);
-- What is due in a partition is asked of its slots. No condition on `held`: it would make every update of it an update
-- of the index.
CREATE INDEX slots_by_partition ON slots (partition);

-- `transitions` is [[status, Unix milliseconds, reason or null], …], the oldest first; null where `status` since
-- `created_at`, for `reason`, is all there is.
ALTER TABLE reservations
  ADD COLUMN expires_at timestamptz,
  ADD COLUMN hold_ttl_ms bigint CHECK (hold_ttl_ms > 0),
  ADD COLUMN place bigint,
  ADD COLUMN booking_id uuid,
  ADD COLUMN is_counted boolean NOT NULL DEFAULT false,
  ADD COLUMN transitions jsonb;
UPDATE reservations
   SET transitions = jsonb_build_array(
         jsonb_build_array('confirmed', (extract(epoch FROM created_at) * 1000)::bigint, NULL),
         jsonb_build_array('cancelled', (extract(epoch FROM cancelled_at) * 1000)::bigint, 'by-request'))
 WHERE status = 'cancelled';
ALTER TABLE reservations
  DROP CONSTRAINT reservations_check1,
  DROP COLUMN cancelled_at,
  DROP CONSTRAINT reservations_status_check,
  ADD CONSTRAINT reservations_status_check
    CHECK (status IN ('held', 'confirmed', 'waitlisted', 'rejected', 'cancelled', 'expired')),
  ADD CONSTRAINT held_until CHECK ((status = 'held') = (expires_at IS NOT NULL)),
  ADD CONSTRAINT waitlisted_at CHECK ((status = 'waitlisted') = (place IS NOT NULL));

-- The lists of a slot, each in its order: what is due, who is next, what counts towards a user's limit.
CREATE INDEX reservations_due ON reservations (slot_id, expires_at, id) WHERE status = 'held';
CREATE INDEX reservations_queue ON reservations (slot_id, place, id) WHERE status = 'waitlisted';
CREATE INDEX reservations_counted ON reservations (slot_id, user_id, created_at, id)
  WHERE is_counted AND status IN ('held', 'confirmed', 'waitlisted');
-- For readers: what a user has, the newest first.
CREATE INDEX reservations_of_user ON reservations (user_id, created_at DESC, id DESC);

-- Down Migration

-- Holds, waiters and what has expired have no place in the tables from before: while there are any, this fails.
DROP INDEX reservations_due, reservations_queue, reservations_counted, reservations_of_user;
ALTER TABLE reservations
  DROP CONSTRAINT held_until,
  DROP CONSTRAINT waitlisted_at,
  DROP CONSTRAINT reservations_status_check,
  ADD CONSTRAINT reservations_status_check CHECK (status IN ('confirmed', 'rejected', 'cancelled')),
  ADD COLUMN cancelled_at timestamptz;
UPDATE reservations
   SET cancelled_at = timestamptz 'epoch' + (transitions -> -1 ->> 1)::bigint * interval '1 millisecond'
 WHERE status = 'cancelled';
ALTER TABLE reservations
  ADD CONSTRAINT reservations_check1 CHECK ((status = 'cancelled') = (cancelled_at IS NOT NULL)),
  DROP COLUMN expires_at, DROP COLUMN hold_ttl_ms, DROP COLUMN place, DROP COLUMN booking_id,
  DROP COLUMN is_counted, DROP COLUMN transitions;
DROP INDEX slots_by_partition;
ALTER TABLE slots
  DROP COLUMN partition, DROP COLUMN hold_ttl_ms, DROP COLUMN max_per_user, DROP COLUMN waitlist, DROP COLUMN waitlist_count;
DROP FUNCTION advance_partition;
CREATE FUNCTION advance_partition(
  of_topic text, of_partition integer, from_offset bigint, in_epoch bigint, to_offset bigint, to_log_time timestamptz,
  record_digest text, record_time timestamptz, to_event_seq bigint
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  UPDATE partition_progress
     SET next_offset = to_offset, log_time = to_log_time, last_record_digest = record_digest,
         last_record_time = record_time, event_seq = to_event_seq, updated_at = clock_timestamp()
   WHERE topic = of_topic AND partition = of_partition AND next_offset = from_offset AND epoch = in_epoch;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'partition % of % is not at offset % in epoch % any more', of_partition, of_topic, from_offset, in_epoch
      USING ERRCODE = 'IS001';
  END IF;
END $$;
ALTER TABLE partition_progress DROP COLUMN steps;
