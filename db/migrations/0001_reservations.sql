-- Up Migration

-- The most units that may be held and confirmed together; packages/capacity has the same formula (I1).
CREATE FUNCTION limit_units(capacity bigint, overbooking_bps bigint) RETURNS bigint
  LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
  RETURN capacity + capacity * overbooking_bps / 10000;

-- What this database belongs to: set once, compared at every start.
CREATE TABLE deployment (
  singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
  id_key_fingerprint text NOT NULL
);

-- Epochs are drawn from here by repair and restore; every partition starts in epoch 1.
CREATE SEQUENCE epochs START 2;

-- The fence (I4). One row per partition, locked by the first statement of every writing transaction.
CREATE TABLE partition_progress (
  topic text NOT NULL,
  partition integer NOT NULL,
  cluster_id text NOT NULL,
  partition_count integer NOT NULL,
  epoch bigint NOT NULL DEFAULT 1,
  next_offset bigint NOT NULL DEFAULT 0,
  log_time timestamptz NOT NULL DEFAULT 'epoch',
  last_record_digest text,
  last_record_time timestamptz,
  event_seq bigint NOT NULL DEFAULT 0,
  updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (topic, partition)
) WITH (fillfactor = 50);

-- Moves a partition on, or fails: an update of no rows would let pipelined statements go on. SQLSTATE IS001 = fenced.
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

-- What a batch sends, written with its decisions, removed when it is published (I8).
CREATE TABLE outbox (
  topic text NOT NULL,
  partition integer NOT NULL,
  last_seq bigint NOT NULL,
  first_seq bigint NOT NULL,
  messages text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (topic, partition, last_seq)
);

-- Outcomes of commands that are idempotent neither by their id nor by state (I3).
CREATE TABLE applied_commands (
  command_id uuid NOT NULL,
  at timestamptz NOT NULL,
  outcome jsonb NOT NULL,
  PRIMARY KEY (command_id, at)
) PARTITION BY RANGE (at);
CREATE TABLE applied_commands_default PARTITION OF applied_commands DEFAULT;

CREATE TABLE dead_letters (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  topic text NOT NULL,
  partition integer NOT NULL,
  "offset" bigint NOT NULL,
  command_id uuid,
  code text NOT NULL CHECK (code IN ('malformed', 'misrouted', 'data-error')),
  detail text NOT NULL,
  key bytea,
  value bytea,
  at timestamptz NOT NULL,
  status text NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'redriven', 'discarded')),
  UNIQUE (topic, partition, "offset")
);
CREATE INDEX dead_letters_command ON dead_letters (command_id) WHERE command_id IS NOT NULL;

CREATE TABLE slots (
  id uuid PRIMARY KEY,
  version bigint NOT NULL,
  epoch bigint NOT NULL,
  start_time timestamptz NOT NULL,
  end_time timestamptz NOT NULL,
  capacity integer NOT NULL CHECK (capacity >= 0),
  overbooking_bps integer NOT NULL CHECK (overbooking_bps BETWEEN 0 AND 10000),
  held integer NOT NULL CHECK (held >= 0),
  confirmed integer NOT NULL CHECK (confirmed >= 0),
  status text NOT NULL CHECK (status IN ('open', 'closed')),
  name text NOT NULL,
  sales_open_at timestamptz,
  sales_close_at timestamptz,
  metadata jsonb,
  body_hash text NOT NULL,
  created_at timestamptz NOT NULL,
  CONSTRAINT no_oversell CHECK (held + confirmed <= limit_units(capacity, overbooking_bps))
) WITH (fillfactor = 50);
CREATE INDEX slots_by_time ON slots (start_time, id);

-- Unpartitioned: a create is refused by its own id (I3). The ids of a slot are neighbours (packages/contracts, routing).
CREATE TABLE reservations (
  id uuid PRIMARY KEY,
  slot_id uuid NOT NULL,
  slot_version bigint NOT NULL,
  created_at timestamptz NOT NULL,
  cancelled_at timestamptz,
  quantity integer NOT NULL CHECK (quantity > 0),
  user_id text NOT NULL,
  status text NOT NULL CHECK (status IN ('confirmed', 'rejected', 'cancelled')),
  reason text,
  body_hash text,
  metadata jsonb,
  CHECK ((status = 'rejected') = (reason IS NOT NULL)),
  CHECK ((status = 'cancelled') = (cancelled_at IS NOT NULL))
);

-- What was decided: gapless versions per slot (I5). State is its sum.
CREATE TABLE slot_ledger (
  slot_id uuid NOT NULL,
  version bigint NOT NULL CHECK (version > 0),
  at timestamptz NOT NULL,
  held_delta integer NOT NULL,
  confirmed_delta integer NOT NULL,
  capacity integer NOT NULL,
  overbooking_bps integer NOT NULL,
  type text NOT NULL,
  reservation_id uuid,
  event jsonb NOT NULL,
  PRIMARY KEY (slot_id, version, at)
) PARTITION BY RANGE (at);
CREATE TABLE slot_ledger_default PARTITION OF slot_ledger DEFAULT;

-- Makes the partitions of the coming days and months. Rows that came first stay in the default partition.
CREATE FUNCTION ensure_time_partitions() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  first timestamptz;
BEGIN
  -- In the order in which a writer locks them.
  FOR month IN 0..2 LOOP
    first := (date_trunc('month', now() AT TIME ZONE 'UTC') + make_interval(months => month)) AT TIME ZONE 'UTC';
    PERFORM ensure_time_partition('slot_ledger', to_char(first AT TIME ZONE 'UTC', 'YYYYMM'), first,
      (first AT TIME ZONE 'UTC' + interval '1 month') AT TIME ZONE 'UTC');
  END LOOP;
  FOR day IN 0..7 LOOP
    first := date_trunc('day', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' + make_interval(days => day);
    PERFORM ensure_time_partition('applied_commands', to_char(first AT TIME ZONE 'UTC', 'YYYYMMDD'), first, first + interval '1 day');
  END LOOP;
END $$;

CREATE FUNCTION ensure_time_partition(parent text, suffix text, first timestamptz, upto timestamptz) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  IF to_regclass(format('%I', parent || '_' || suffix)) IS NULL THEN
    EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)', parent || '_' || suffix, parent, first, upto);
  END IF;
EXCEPTION
  WHEN check_violation THEN
    RAISE WARNING 'rows of % are in the default partition of %', suffix, parent;
  WHEN duplicate_table THEN
    NULL; -- another worker made it at the same moment
END $$;

-- Down Migration

DROP TABLE slot_ledger, reservations, slots, dead_letters, applied_commands, outbox, partition_progress, deployment;
DROP SEQUENCE epochs;
DROP FUNCTION ensure_time_partitions, ensure_time_partition, advance_partition, limit_units;
