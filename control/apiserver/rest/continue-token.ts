/**
 * The opaque tokens of chunked lists, in upstream's own form.
 *
 * Source: apiserver `pkg/storage/continue.go`.
 */

import { parseJson } from '#api/codec/json.ts';
import { errorText } from '#api/error-text.ts';
import { badRequest } from '#api/status.ts';

export interface ContinueToken {
  /** The revision of the first chunk; -1: continue at the latest one, not consistent with the chunks before. */
  revision: number;
  /** The key at which the next chunk begins, relative to the list's key prefix. */
  startKey: string;
}

export function encodeContinue({ revision, startKey }: ContinueToken): string {
  return Buffer.from(JSON.stringify({ v: 'meta.k8s.io/v1', rv: revision, start: startKey })).toString('base64url');
}

/** @throws ApiError 400 */
export function decodeContinue(token: string): ContinueToken {
  let parsed: { v?: unknown; rv?: unknown; start?: unknown };
  try {
    parsed = parseJson(Buffer.from(token, 'base64url')) as typeof parsed;
  } catch (error) {
    throw badRequest(`invalid continue token: continue key is not valid: ${errorText(error)}`);
  }
  if (parsed === null || typeof parsed !== 'object' || parsed.v !== 'meta.k8s.io/v1') {
    throw badRequest(
      `invalid continue token: continue key is not valid: server does not recognize this encoded version ${String(parsed?.v ?? '')}`,
    );
  }
  const { rv, start } = parsed;
  if (typeof rv !== 'number' || rv === 0) {
    throw badRequest(
      'invalid continue token: continue key is not valid: incorrect encoded start resourceVersion (version meta.k8s.io/v1)',
    );
  }
  if (typeof start !== 'string' || start === '') {
    throw badRequest('invalid continue token: continue key is not valid: encoded start key empty (version meta.k8s.io/v1)');
  }
  // A token must not lead out of the list's own prefix.
  if (start.split('/').some((part) => part === '..' || part === '.'))
    throw badRequest(`invalid continue token: continue key is not valid: ${start}`);
  return { revision: rv, startKey: start };
}
