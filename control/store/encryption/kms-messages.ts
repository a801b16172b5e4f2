/**
 * The messages of a KMS plugin and the stored form of what it has encrypted a key for, as protobuf.
 *
 * Source: kubernetes `staging/src/k8s.io/kms/apis/v2/api.proto`; apiserver `pkg/storage/value/encrypt/envelope/kmsv2/v2/api.proto`.
 */

/** Fields by number: a text, bytes, a number, or a map of bytes. */
export type Fields = Readonly<Record<number, string | Uint8Array | number | Readonly<Record<string, Uint8Array>> | undefined>>;

/** Fields that are empty are left out, as in proto3. */
export function encodeMessage(fields: Fields): Buffer {
  const parts: Buffer[] = [];
  for (const [number, value] of Object.entries(fields)) {
    const field = Number(number);
    if (value === undefined || value === '' || value === 0) continue;
    if (typeof value === 'number') parts.push(varint(field << 3), varint(value));
    else if (typeof value === 'string' || value instanceof Uint8Array) {
      if (value.length > 0) parts.push(...lengthDelimited(field, Buffer.from(value as Uint8Array)));
    } else
      for (const [key, bytes] of Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
        parts.push(...lengthDelimited(field, encodeMessage({ 1: key, 2: bytes })));
  }
  return Buffer.concat(parts);
}

const lengthDelimited = (field: number, bytes: Buffer): Buffer[] => [varint((field << 3) | 2), varint(bytes.length), bytes];

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  while (rest > 0x7f) {
    bytes.push((rest & 0x7f) | 0x80);
    rest = Math.floor(rest / 128);
  }
  return Buffer.from([...bytes, rest]);
}

/** A message that was read: of each field its last value, of a map all. */
export class Message {
  readonly #fields = new Map<number, (Buffer | number)[]>();

  /** @throws Error for what is no protobuf */
  constructor(bytes: Uint8Array) {
    const reader = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    let at = 0;
    const number = (): number => {
      let value = 0;
      for (let scale = 1; ; scale *= 128) {
        const byte = reader[at++];
        if (byte === undefined || scale > 2 ** 42) throw new Error('proto: the message cannot be read');
        value += (byte & 0x7f) * scale;
        if (byte < 0x80) return value;
      }
    };
    while (at < reader.length) {
      const tag = number();
      const field = Math.floor(tag / 8);
      let value: Buffer | number;
      if (tag % 8 === 0) value = number();
      else if (tag % 8 === 2) {
        const length = number();
        if (at + length > reader.length) throw new Error('proto: the message cannot be read');
        value = reader.subarray(at, at + length);
        at += length;
      } else throw new Error('proto: the message cannot be read');
      const values = this.#fields.get(field);
      if (values === undefined) this.#fields.set(field, [value]);
      else values.push(value);
    }
  }

  bytes(field: number): Buffer {
    const value = this.#fields.get(field)?.at(-1);
    return value instanceof Buffer ? value : Buffer.alloc(0);
  }

  text(field: number): string {
    return this.bytes(field).toString('utf8');
  }

  number(field: number): number {
    const value = this.#fields.get(field)?.at(-1);
    return typeof value === 'number' ? value : 0;
  }

  map(field: number): Record<string, Buffer> {
    const entries = (this.#fields.get(field) ?? []).flatMap((value) => (value instanceof Buffer ? [new Message(value)] : []));
    return Object.fromEntries(entries.map((entry) => [entry.text(1), entry.bytes(2)]));
  }
}
