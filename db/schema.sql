-- Generated from db/migrations by ./ironsys schema: do not edit.

CREATE FUNCTION public.advance_partition(of_topic text, of_partition integer, from_offset bigint, in_epoch bigint, from_event_seq bigint, to_offset bigint, to_log_time timestamp with time zone, record_digest text, record_time timestamp with time zone, to_event_seq bigint, to_steps integer) RETURNS void
    LANGUAGE plpgsql
    AS $$
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

CREATE FUNCTION public.ensure_time_partition(parent text, suffix text, first timestamp with time zone, upto timestamp with time zone) RETURNS void
    LANGUAGE plpgsql
    AS $$
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

CREATE FUNCTION public.ensure_time_partitions() RETURNS void
    LANGUAGE plpgsql
    SET lock_timeout TO '200ms'
    AS $$
DECLARE
  first timestamptz;
BEGIN
  -- In the order in which a writer locks them. One that is in use does not keep the other from being made.
  BEGIN
    FOR month IN 0..2 LOOP
      first := (date_trunc('month', now() AT TIME ZONE 'UTC') + make_interval(months => month)) AT TIME ZONE 'UTC';
      PERFORM ensure_time_partition('slot_ledger', to_char(first AT TIME ZONE 'UTC', 'YYYYMM'), first,
        (first AT TIME ZONE 'UTC' + interval '1 month') AT TIME ZONE 'UTC');
    END LOOP;
  EXCEPTION WHEN lock_not_available THEN
    RAISE WARNING 'slot_ledger is in use: its coming partitions are not made yet';
  END;
  BEGIN
    FOR day IN 0..7 LOOP
      first := date_trunc('day', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' + make_interval(days => day);
      PERFORM ensure_time_partition('applied_commands', to_char(first AT TIME ZONE 'UTC', 'YYYYMMDD'), first, first + interval '1 day');
    END LOOP;
  EXCEPTION WHEN lock_not_available THEN
    RAISE WARNING 'applied_commands is in use: its coming partitions are not made yet';
  END;
END $$;

CREATE FUNCTION public.limit_units(capacity bigint, overbooking_bps bigint) RETURNS bigint
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN (capacity + ((capacity * overbooking_bps) / 10000));

CREATE FUNCTION public.require_rows(of_table text, changed bigint, wanted bigint) RETURNS void
    LANGUAGE plpgsql
    AS $$
BEGIN
  IF changed <> wanted THEN
    RAISE EXCEPTION 'only % of % rows of % are there to be changed', changed, wanted, of_table
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
END $$;

CREATE TABLE public.api_keys (
    id text NOT NULL,
    name text NOT NULL,
    secret_sha256 bytea NOT NULL,
    scopes text[] NOT NULL,
    user_id text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone,
    revoked_at timestamp with time zone,
    CONSTRAINT acts_for_somebody CHECK (((user_id IS NOT NULL) OR (scopes && '{operate,admin}'::text[]))),
    CONSTRAINT api_keys_id_check CHECK ((id ~ '^[0-9a-f]{16}$'::text)),
    CONSTRAINT api_keys_secret_sha256_check CHECK ((length(secret_sha256) = 32)),
    CONSTRAINT expires_later CHECK ((expires_at > created_at)),
    CONSTRAINT known_scopes CHECK (((cardinality(scopes) > 0) AND (scopes <@ '{reserve,operate,admin}'::text[])))
);

CREATE TABLE public.applied_commands (
    command_id uuid NOT NULL,
    at timestamp with time zone NOT NULL,
    outcome jsonb NOT NULL
)
PARTITION BY RANGE (at);

CREATE TABLE public.applied_commands_default (
    command_id uuid NOT NULL,
    at timestamp with time zone NOT NULL,
    outcome jsonb NOT NULL
);

CREATE TABLE public.booking_items (
    booking_id uuid NOT NULL,
    reservation_id uuid NOT NULL,
    slot_id uuid NOT NULL,
    quantity integer NOT NULL,
    status text NOT NULL,
    "position" smallint NOT NULL,
    CONSTRAINT booking_items_quantity_check CHECK ((quantity > 0)),
    CONSTRAINT booking_items_status_check CHECK ((status = ANY (ARRAY['asked'::text, 'held'::text, 'refused'::text])))
)
WITH (fillfactor='90');

CREATE TABLE public.bookings (
    id uuid NOT NULL,
    version bigint NOT NULL,
    epoch bigint NOT NULL,
    partition integer NOT NULL,
    user_id text NOT NULL,
    status text NOT NULL,
    mode text NOT NULL,
    hold_ttl_ms bigint,
    created_at timestamp with time zone NOT NULL,
    deadline timestamp with time zone,
    ends_at timestamp with time zone,
    reason text,
    failed_slot_id uuid,
    body_hash text,
    reply_to text,
    transitions jsonb NOT NULL,
    CONSTRAINT bookings_hold_ttl_ms_check CHECK ((hold_ttl_ms > 0)),
    CONSTRAINT bookings_mode_check CHECK ((mode = ANY (ARRAY['confirm'::text, 'hold'::text]))),
    CONSTRAINT bookings_status_check CHECK ((status = ANY (ARRAY['pending'::text, 'held'::text, 'confirmed'::text, 'rejected'::text, 'cancelled'::text, 'expired'::text]))),
    CONSTRAINT bookings_version_check CHECK ((version > 0)),
    CONSTRAINT hold_lasts CHECK (((mode = 'hold'::text) = (hold_ttl_ms IS NOT NULL))),
    CONSTRAINT open_until CHECK (((status = ANY (ARRAY['pending'::text, 'held'::text])) = (deadline IS NOT NULL))),
    CONSTRAINT rejected_because CHECK (((status = 'rejected'::text) = (reason IS NOT NULL)))
)
WITH (fillfactor='50');

CREATE TABLE public.dead_letters (
    id bigint NOT NULL,
    topic text NOT NULL,
    partition integer NOT NULL,
    "offset" bigint NOT NULL,
    command_id uuid,
    code text NOT NULL,
    detail text NOT NULL,
    key bytea,
    value bytea,
    at timestamp with time zone NOT NULL,
    status text DEFAULT 'open'::text NOT NULL,
    resolved_at timestamp with time zone,
    resolved_by text,
    resolution text,
    redriven_partition integer,
    redriven_offset bigint,
    CONSTRAINT dead_letters_code_check CHECK ((code = ANY (ARRAY['malformed'::text, 'misrouted'::text, 'data-error'::text]))),
    CONSTRAINT dead_letters_status_check CHECK ((status = ANY (ARRAY['open'::text, 'redriven'::text, 'discarded'::text]))),
    CONSTRAINT redriven_somewhere CHECK ((((redriven_partition IS NULL) = (redriven_offset IS NULL)) AND ((status = 'redriven'::text) OR (redriven_offset IS NULL)))),
    CONSTRAINT resolved_or_open CHECK (((status = 'open'::text) = (resolved_at IS NULL)))
);

ALTER TABLE public.dead_letters ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.dead_letters_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.deployment (
    singleton boolean DEFAULT true NOT NULL,
    id_key_fingerprint text NOT NULL,
    CONSTRAINT deployment_singleton_check CHECK (singleton)
);

CREATE SEQUENCE public.epochs
    START WITH 2
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

CREATE TABLE public.outbox (
    topic text NOT NULL,
    partition integer NOT NULL,
    last_seq bigint NOT NULL,
    first_seq bigint NOT NULL,
    messages text NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

CREATE TABLE public.partition_progress (
    topic text NOT NULL,
    partition integer NOT NULL,
    cluster_id text NOT NULL,
    partition_count integer NOT NULL,
    epoch bigint DEFAULT 1 NOT NULL,
    next_offset bigint DEFAULT 0 NOT NULL,
    log_time timestamp with time zone DEFAULT '1970-01-01 00:00:00+00'::timestamp with time zone NOT NULL,
    last_record_digest text,
    last_record_time timestamp with time zone,
    event_seq bigint DEFAULT 0 NOT NULL,
    updated_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    steps integer DEFAULT 0 NOT NULL
)
WITH (fillfactor='50');

CREATE TABLE public.reservations (
    id uuid NOT NULL,
    slot_id uuid NOT NULL,
    slot_version bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    quantity integer NOT NULL,
    user_id text NOT NULL,
    status text NOT NULL,
    reason text,
    body_hash text,
    metadata jsonb,
    expires_at timestamp with time zone,
    hold_ttl_ms bigint,
    place bigint,
    booking_id uuid,
    is_counted boolean DEFAULT false NOT NULL,
    transitions jsonb,
    CONSTRAINT held_until CHECK (((status = 'held'::text) = (expires_at IS NOT NULL))),
    CONSTRAINT reservations_check CHECK (((status = 'rejected'::text) = (reason IS NOT NULL))),
    CONSTRAINT reservations_hold_ttl_ms_check CHECK ((hold_ttl_ms > 0)),
    CONSTRAINT reservations_quantity_check CHECK ((quantity > 0)),
    CONSTRAINT reservations_status_check CHECK ((status = ANY (ARRAY['held'::text, 'confirmed'::text, 'waitlisted'::text, 'rejected'::text, 'cancelled'::text, 'expired'::text]))),
    CONSTRAINT waitlisted_at CHECK (((status = 'waitlisted'::text) = (place IS NOT NULL)))
);

CREATE TABLE public.runtime_settings (
    version bigint NOT NULL,
    settings jsonb NOT NULL,
    changed_by text NOT NULL,
    changed_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    note text,
    CONSTRAINT runtime_settings_settings_check CHECK ((jsonb_typeof(settings) = 'object'::text))
);

ALTER TABLE public.runtime_settings ALTER COLUMN version ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.runtime_settings_version_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE SEQUENCE public.schema_migrations_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

CREATE TABLE public.slot_ledger (
    slot_id uuid NOT NULL,
    version bigint NOT NULL,
    at timestamp with time zone NOT NULL,
    held_delta integer NOT NULL,
    confirmed_delta integer NOT NULL,
    capacity integer NOT NULL,
    overbooking_bps integer NOT NULL,
    type text NOT NULL,
    reservation_id uuid,
    event jsonb NOT NULL,
    CONSTRAINT slot_ledger_version_check CHECK ((version > 0))
)
PARTITION BY RANGE (at);

CREATE TABLE public.slot_ledger_default (
    slot_id uuid NOT NULL,
    version bigint NOT NULL,
    at timestamp with time zone NOT NULL,
    held_delta integer NOT NULL,
    confirmed_delta integer NOT NULL,
    capacity integer NOT NULL,
    overbooking_bps integer NOT NULL,
    type text NOT NULL,
    reservation_id uuid,
    event jsonb NOT NULL,
    CONSTRAINT slot_ledger_version_check CHECK ((version > 0))
);

CREATE TABLE public.slots (
    id uuid NOT NULL,
    version bigint NOT NULL,
    epoch bigint NOT NULL,
    start_time timestamp with time zone NOT NULL,
    end_time timestamp with time zone NOT NULL,
    capacity integer NOT NULL,
    overbooking_bps integer NOT NULL,
    held integer NOT NULL,
    confirmed integer NOT NULL,
    status text NOT NULL,
    name text NOT NULL,
    sales_open_at timestamp with time zone,
    sales_close_at timestamp with time zone,
    metadata jsonb,
    body_hash text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    partition integer,
    hold_ttl_ms bigint,
    max_per_user integer,
    waitlist boolean DEFAULT false NOT NULL,
    waitlist_count integer DEFAULT 0 NOT NULL,
    has_units boolean GENERATED ALWAYS AS (((held + confirmed) < public.limit_units((capacity)::bigint, (overbooking_bps)::bigint))) STORED NOT NULL,
    CONSTRAINT no_oversell CHECK (((held + confirmed) <= public.limit_units((capacity)::bigint, (overbooking_bps)::bigint))),
    CONSTRAINT slots_capacity_check CHECK ((capacity >= 0)),
    CONSTRAINT slots_confirmed_check CHECK ((confirmed >= 0)),
    CONSTRAINT slots_held_check CHECK ((held >= 0)),
    CONSTRAINT slots_hold_ttl_ms_check CHECK ((hold_ttl_ms > 0)),
    CONSTRAINT slots_max_per_user_check CHECK ((max_per_user > 0)),
    CONSTRAINT slots_overbooking_bps_check CHECK (((overbooking_bps >= 0) AND (overbooking_bps <= 10000))),
    CONSTRAINT slots_status_check CHECK ((status = ANY (ARRAY['open'::text, 'closed'::text]))),
    CONSTRAINT slots_waitlist_count_check CHECK ((waitlist_count >= 0))
)
WITH (fillfactor='50');

ALTER TABLE ONLY public.applied_commands ATTACH PARTITION public.applied_commands_default DEFAULT;

ALTER TABLE ONLY public.slot_ledger ATTACH PARTITION public.slot_ledger_default DEFAULT;

ALTER TABLE ONLY public.api_keys
    ADD CONSTRAINT api_keys_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.applied_commands
    ADD CONSTRAINT applied_commands_pkey PRIMARY KEY (command_id, at);

ALTER TABLE ONLY public.applied_commands_default
    ADD CONSTRAINT applied_commands_default_pkey PRIMARY KEY (command_id, at);

ALTER TABLE ONLY public.booking_items
    ADD CONSTRAINT booking_items_pkey PRIMARY KEY (reservation_id);

ALTER TABLE ONLY public.bookings
    ADD CONSTRAINT bookings_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.dead_letters
    ADD CONSTRAINT dead_letters_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.dead_letters
    ADD CONSTRAINT dead_letters_topic_partition_offset_key UNIQUE (topic, partition, "offset");

ALTER TABLE ONLY public.deployment
    ADD CONSTRAINT deployment_pkey PRIMARY KEY (singleton);

ALTER TABLE ONLY public.outbox
    ADD CONSTRAINT outbox_pkey PRIMARY KEY (topic, partition, last_seq);

ALTER TABLE ONLY public.partition_progress
    ADD CONSTRAINT partition_progress_pkey PRIMARY KEY (topic, partition);

ALTER TABLE ONLY public.reservations
    ADD CONSTRAINT reservations_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.runtime_settings
    ADD CONSTRAINT runtime_settings_pkey PRIMARY KEY (version);

ALTER TABLE ONLY public.slot_ledger
    ADD CONSTRAINT slot_ledger_pkey PRIMARY KEY (slot_id, version, at);

ALTER TABLE ONLY public.slot_ledger_default
    ADD CONSTRAINT slot_ledger_default_pkey PRIMARY KEY (slot_id, version, at);

ALTER TABLE ONLY public.slots
    ADD CONSTRAINT slots_pkey PRIMARY KEY (id);

CREATE INDEX booking_items_of_booking ON public.booking_items USING btree (booking_id);

CREATE INDEX bookings_due ON public.bookings USING btree (partition, deadline) WHERE (deadline IS NOT NULL);

CREATE INDEX bookings_of_user ON public.bookings USING btree (user_id, id);

CREATE INDEX dead_letters_command ON public.dead_letters USING btree (command_id) WHERE (command_id IS NOT NULL);

CREATE INDEX dead_letters_open ON public.dead_letters USING btree (id) WHERE (status = 'open'::text);

CREATE INDEX reservations_counted ON public.reservations USING btree (slot_id, user_id, created_at, id) WHERE (is_counted AND (status = ANY (ARRAY['held'::text, 'confirmed'::text, 'waitlisted'::text])));

CREATE INDEX reservations_due ON public.reservations USING btree (slot_id, expires_at, id) WHERE (status = 'held'::text);

CREATE INDEX reservations_of_user ON public.reservations USING btree (user_id, created_at DESC, id DESC);

CREATE INDEX reservations_queue ON public.reservations USING btree (slot_id, place, id) WHERE (status = 'waitlisted'::text);

CREATE INDEX slots_by_partition ON public.slots USING btree (partition);

CREATE INDEX slots_by_time ON public.slots USING btree (start_time, id);

CREATE INDEX slots_by_units_and_time ON public.slots USING btree (has_units, start_time, id);

ALTER INDEX public.applied_commands_pkey ATTACH PARTITION public.applied_commands_default_pkey;

ALTER INDEX public.slot_ledger_pkey ATTACH PARTITION public.slot_ledger_default_pkey;
