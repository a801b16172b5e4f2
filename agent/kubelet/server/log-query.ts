/** The query of `/containerLogs`. Source: upstream `pkg/kubelet/server/server.go` (getContainerLogs). */
import { validatePodLogOptions } from '#api/pod-log-options.ts';
import { type QueryOptions, readQueryOptions } from '#api/query-options.ts';
import { ApiError } from '#api/status.ts';
import type { LogOptions } from './log-reader.ts';

type LogQuery =
  | { kind: 'options'; options: LogOptions & { previous: boolean } }
  | { kind: 'refused'; status: number; message: string };

/** The query of a request target: all after the first question mark. Pure. */
export function queryOf(target: string): URLSearchParams {
  const mark = target.indexOf('?');
  return new URLSearchParams(mark < 0 ? '' : target.slice(mark + 1));
}

/** The log options of a query, or the reason for refusing it. Pure. @param nowMs since the epoch */
export function readLogQuery(query: URLSearchParams, nowMs: number): LogQuery {
  // `tail` is the name in old clients; `all` means no limit.
  const tail = query.get('tail') ?? '';
  if (tail === 'all') query.delete('tailLines');
  else if (tail !== '') query.set('tailLines', tail);
  let options: QueryOptions<'PodLogOptions'>;
  try {
    options = readQueryOptions('PodLogOptions', query);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return { kind: 'refused', status: 400, message: '{"message": "Unable to decode query."}' };
  }
  if (validatePodLogOptions(options).length > 0)
    return { kind: 'refused', status: 422, message: '{"message": "Invalid request."}' };
  const { follow, previous, timestamps, tailLines, limitBytes, sinceSeconds, sinceTime, stream } = options;
  const number = (value: bigint | undefined): number | undefined => (value === undefined ? undefined : Number(value));
  const sinceTimeMs = sinceTime === undefined ? undefined : Date.parse(sinceTime);
  return {
    kind: 'options',
    options: {
      follow,
      previous,
      timestamps,
      tailLines: number(tailLines),
      limitBytes: number(limitBytes),
      sinceMs: sinceSeconds === undefined ? sinceTimeMs : nowMs - Number(sinceSeconds) * 1000,
      stream: stream === 'Stdout' ? 'stdout' : stream === 'Stderr' ? 'stderr' : undefined,
    },
  };
}
