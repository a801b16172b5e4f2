/**
 * `/livez`, `/readyz` and `/healthz`: all checks, or one by its path, with `?verbose` and `?exclude=`.
 *
 * Source: kubernetes.io, API health endpoints; apiserver `pkg/server/healthz`.
 */
import type { TransportResponse } from '#client/transport.ts';
import type { RequestInfo } from '../rest/request-info.ts';
import { textResponse } from '../rest/responses.ts';

/** One named check of `/livez`, `/readyz` and `/healthz`. */
export interface HealthCheck {
  name: string;
  /** The endpoints that include it. */
  on: readonly ('livez' | 'readyz' | 'healthz')[];
  /** What is wrong; undefined: nothing. Not shown to clients. */
  problem(): string | undefined;
}

/** Answers a health path; undefined for other paths. */
export function handleHealth(info: RequestInfo, checks: readonly HealthCheck[]): TransportResponse | undefined {
  const [endpoint, ...rest] = info.path.split('/').filter((part) => part !== '');
  if (endpoint !== 'livez' && endpoint !== 'readyz' && endpoint !== 'healthz') return undefined;
  const relevant = checks.filter(({ on }) => on.includes(endpoint));
  if (rest.length > 0) {
    const check = relevant.find(({ name }) => name === rest.join('/'));
    if (check === undefined) return textResponse(404, '404 page not found\n');
    const problem = check.problem();
    return problem === undefined ? textResponse(200, 'ok') : textResponse(500, `internal server error: ${problem}\n`);
  }
  return report(endpoint, relevant, info.query);
}

function report(endpoint: string, checks: readonly HealthCheck[], query: URLSearchParams): TransportResponse {
  const excluded = new Set(query.getAll('exclude'));
  const lines: string[] = [];
  let failed = false;
  for (const { name, problem } of checks) {
    if (excluded.delete(name)) lines.push(`[+]${name} excluded: ok`);
    else if (problem() === undefined) lines.push(`[+]${name} ok`);
    else {
      failed = true;
      lines.push(`[-]${name} failed: reason withheld`);
    }
  }
  if (excluded.size > 0)
    lines.push(
      `warn: some health checks cannot be excluded: no matches for ${[...excluded]
        .sort()
        .map((one) => JSON.stringify(one))
        .join(',')}`,
    );
  if (failed) return textResponse(500, `${lines.join('\n')}\n${endpoint} check failed\n`);
  if (!query.has('verbose')) return textResponse(200, 'ok');
  return textResponse(200, `${lines.join('\n')}\n${endpoint} check passed\n`);
}
