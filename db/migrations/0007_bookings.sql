-- Up Migration

-- Several slots or none. `deadline` is when what is pending is given up, or what is held expires; `ends_at` when the last
-- of its slots is over, as far as they have answered. `transitions` is as in `reservations`, and never null.
CREATE TABLE bookings (
  id uuid PRIMARY KEY,
  version bigint NOT NULL CHECK (version > 0),
  epoch bigint NOT NULL,
  partition integer NOT NULL,
  user_id text NOT NULL,
  status text NOT NULL CHECK (status IN ('pending', 'held', 'confirmed', 'rejected', 'cancelled', 'expired')),
  mode text NOT NULL CHECK (mode IN ('confirm', 'hold')),
  hold_ttl_ms bigint CHECK (hold_ttl_ms > 0),
  created_at timestamptz NOT NULL,
  deadline timestamptz,
  ends_at timestamptz,
  reason text,
  failed_slot_id uuid,
  body_hash text,
  reply_to text,
  transitions jsonb NOT NULL,
  CONSTRAINT open_until CHECK ((status IN ('pending', 'held')) = (deadline IS NOT NULL)),
  CONSTRAINT rejected_because CHECK ((status = 'rejected') = (reason IS NOT NULL)),
  CONSTRAINT hold_lasts CHECK ((mode = 'hold') = (hold_ttl_ms IS NOT NULL))
) WITH (fillfactor = 50);
-- What is due in a partition, the earliest first.
CREATE INDEX bookings_due ON bookings (partition, deadline) WHERE deadline IS NOT NULL;
CREATE INDEX bookings_of_user ON bookings (user_id, id);

-- Of one booking, in the order of the request.
CREATE TABLE booking_items (
  booking_id uuid NOT NULL,
  reservation_id uuid PRIMARY KEY,
  slot_id uuid NOT NULL,
  quantity integer NOT NULL CHECK (quantity > 0),
  status text NOT NULL CHECK (status IN ('asked', 'held', 'refused')),
  position smallint NOT NULL
) WITH (fillfactor = 90);
CREATE INDEX booking_items_of_booking ON booking_items (booking_id);

-- Down Migration

DROP TABLE booking_items, bookings;
