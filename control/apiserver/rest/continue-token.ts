/**
 * The opaque tokens of chunked lists, in upstream's own form.
 *
 * Source: apiserver `pkg/storage/continue.go`; Go `encoding/base64`, `encoding/json`, `path`.
 */

import { posix } from 'node:path';
import { parseJson } from '#api/codec/json.ts';
import { errorText } from '#api/error-text.ts';
import { isInt64 } from '#api/int64.ts';
import { isJsonObject, type JsonValue } from '#api/json.ts';
import { badRequest } from '#api/status.ts';

/** Where a chunked list goes on. */
export interface ContinueToken {
  /**
   * The revision of the first chunk; -1: continue at the latest one, not consistent with the chunks before. May be a bigint
   * (`api/int64.ts`).
   */
  revision: number;
  /** The key at which the next chunk begins, relative to the list's key prefix. */
  startKey: string;
}

/** The token as text. */
export function encodeContinue({ revision, startKey }: ContinueToken): string {
  return Buffer.from(JSON.stringify({ v: 'meta.k8s.io/v1', rv: revision, start: startKey })).toString('base64url');
}

/** Reads a token. @throws ApiError 400 with Go's text for a malformed one */
export function decodeContinue(token: string): ContinueToken {
  try {
    return decode(token);
  } catch (error) {
    throw badRequest(`invalid continue token: continue key is not valid: ${errorText(error)}`);
  }
}

function decode(token: string): ContinueToken {
  const { v, rv, start } = fieldsOf(parseJson(fromBase64(token)));
  if (v !== 'meta.k8s.io/v1') throw new Error(`server does not recognize this encoded version ${v}`);
  if (rv === 0) throw new Error('incorrect encoded start resourceVersion (version meta.k8s.io/v1)');
  if (start === '') throw new Error('encoded start key empty (version meta.k8s.io/v1)');
  // A token must not lead out of the list's own prefix.
  const key = start.startsWith('/') ? start : `/${start}`;
  if (cleaned(key) !== key) throw new Error(start);
  return { revision: rv, startKey: start };
}

const digits = /^[A-Za-z0-9_-]$/;

/** Decodes like Go's `base64.RawURLEncoding`: line ends are ignored, padding is refused. @throws Error with Go's text */
function fromBase64(text: string): Buffer {
  const bytes = Buffer.from(text);
  let inGroup = 0;
  for (const [index, byte] of bytes.entries()) {
    if (byte === 0x0a || byte === 0x0d) continue;
    if (!digits.test(String.fromCharCode(byte))) throw new Error(`illegal base64 data at input byte ${index}`);
    inGroup = (inGroup + 1) % 4;
  }
  if (inGroup === 1) throw new Error(`illegal base64 data at input byte ${bytes.length - 1}`);
  return Buffer.from(text, 'base64url');
}

/**
 * Reads the fields like Go: names in any case, null as absent; the error names the first value of a wrong type.
 * @throws Error with Go's text
 */
function fieldsOf(value: JsonValue): { v: string; rv: number; start: string } {
  const fields = { v: '', rv: 0, start: '' };
  if (value === null) return fields;
  if (!isJsonObject(value))
    throw new Error(`json: cannot unmarshal ${kindOf(value)} into Go value of type storage.continueToken`);
  for (const [key, member] of Object.entries(value)) {
    const name = key.toLowerCase();
    if ((name !== 'v' && name !== 'rv' && name !== 'start') || member === null || member === undefined) continue;
    const isRight = name === 'rv' ? isInt64(member) : typeof member === 'string';
    const shown = name === 'rv' && typeof member === 'number' ? `number ${member}` : kindOf(member);
    if (!isRight) {
      const type = name === 'rv' ? 'int64' : 'string';
      throw new Error(`json: cannot unmarshal ${shown} into Go struct field continueToken.${name} of type ${type}`);
    }
    Object.assign(fields, { [name]: member });
  }
  return fields;
}

function kindOf(value: JsonValue): string {
  if (Array.isArray(value)) return 'array';
  return typeof value === 'boolean' ? 'bool' : typeof value === 'bigint' ? 'number' : typeof value;
}

/** Go's `path.Clean` of a path from the root. */
function cleaned(path: string): string {
  const normal = posix.normalize(path);
  return normal.length > 1 && normal.endsWith('/') ? normal.slice(0, -1) : normal;
}
