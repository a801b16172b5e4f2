/**
 * How long a request may take: what its `timeout` parameter says, at most the server's own time.
 *
 * Source: apiserver `pkg/endpoints/filters/request_deadline.go`.
 */

import { parseDuration } from '#api/duration.ts';
import { errorText } from '#api/error-text.ts';
import { badRequest } from '#api/status.ts';
import type { RequestInfo } from '../rest/request-info.ts';
import { isLongRunning } from './inflight.ts';

/** undefined: as long as it likes. @throws ApiError 400 for a timeout that is no duration */
export function requestTimeoutMs(info: RequestInfo, maxMs: number): number | undefined {
  if (isLongRunning(info)) return undefined;
  const text = info.query.get('timeout') ?? '';
  if (text === '') return maxMs;
  let asked: number;
  try {
    asked = parseDuration(text);
  } catch (error) {
    throw badRequest(`invalid timeout specified in the request URL - ${errorText(error)}`);
  }
  return asked > 0 && asked < maxMs ? asked : maxMs;
}
