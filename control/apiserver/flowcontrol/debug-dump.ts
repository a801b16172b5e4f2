/**
 * `/debug/api_priority_and_fairness/dump_…`: the levels, their queues and the requests in them, as aligned text.
 *
 * Source: apiserver `pkg/util/flowcontrol/apf_controller_debug.go`.
 */
import { formatDuration } from '#api/duration.ts';
import { apiVersionOf } from '#api/meta.ts';
import type { UserInfo } from '../registry/strategy.ts';
import type { RequestInfo } from '../rest/request-info.ts';
import type { PriorityLevels } from './priority-levels.ts';
import type { RequestFacts } from './queue.ts';

/** The path of the dumps of priority levels, queues and requests, as upstream. */
export const dumpPath = '/debug/api_priority_and_fairness/';

/** Undefined if there is no such page. @param nowMs wall clock time @param monotonicMs time of the clock of request times */
export function dump(
  levels: PriorityLevels,
  path: string,
  withDetails: boolean,
  nowMs: number,
  monotonicMs: number,
): string | undefined {
  const time = (ms: number): string => new Date(nowMs - (monotonicMs - ms)).toISOString();
  switch (path.slice(dumpPath.length)) {
    case 'dump_priority_levels':
      return aligned([
        [
          'PriorityLevelName',
          'ActiveQueues',
          'IsIdle',
          'IsQuiescing',
          'WaitingRequests',
          'ExecutingRequests',
          'DispatchedRequests',
          'RejectedRequests',
          'TimedoutRequests',
          'CancelledRequests',
        ],
        ...sorted(levels).map(({ name, queues, quiescing }) => [
          name,
          queues.queues.filter(({ waiting }) => waiting.length > 0).length,
          queues.isIdle,
          quiescing,
          queues.waiting,
          queues.executing,
          queues.counts.dispatched,
          queues.counts.rejected,
          queues.counts.timedOut,
          queues.counts.cancelled,
        ]),
      ]);
    case 'dump_queues':
      return aligned([
        [
          'PriorityLevelName',
          'Index',
          'PendingRequests',
          'ExecutingRequests',
          'SeatsInUse',
          'NextDispatchR',
          'InitialSeatsSum',
          'MaxSeatsSum',
          'TotalWorkSum',
        ],
        ...sorted(levels).flatMap(({ name, queues }) =>
          queues.queues.map((queue) => [
            name,
            queue.index,
            queue.waiting.length,
            queue.executing.size,
            queue.seatsInUse,
            seatSeconds(queue.nextDispatchR),
            queue.waiting.reduce((sum, { facts }) => sum + facts.work.initialSeats, 0),
            queue.seatsWaiting,
            seatSeconds(queue.work),
          ]),
        ),
      ]);
    case 'dump_requests': {
      const details = ['UserName', 'Verb', 'APIPath', 'Namespace', 'Name', 'APIVersion', 'Resource', 'SubResource'];
      const head = [
        'PriorityLevelName',
        'FlowSchemaName',
        'QueueIndex',
        'RequestIndexInQueue',
        'FlowDistingsher',
        'ArriveTime',
        'InitialSeats',
        'FinalSeats',
        'AdditionalLatency',
        'StartTime',
      ];
      const rows = sorted(levels).flatMap(({ name, queues }) => {
        const row = (queue: number, index: number, facts: RequestFacts, arrivalMs: number, startMs: number | undefined) => [
          name,
          facts.schema,
          queue,
          index,
          facts.distinguisher,
          time(arrivalMs),
          facts.work.initialSeats,
          facts.work.finalSeats,
          formatDuration(facts.work.additionalMs),
          startMs === undefined ? '0001-01-01T00:00:00Z' : time(startMs),
          ...(withDetails ? detailsOf(facts) : []),
        ];
        const executing = (queue: number, all: Iterable<{ facts: RequestFacts; arrivalMs: number; startMs: number }>) =>
          [...all].map((one) => row(queue, -1, one.facts, one.arrivalMs, one.startMs));
        return [
          ...queues.queues.flatMap(({ index, waiting, executing: served }) => [
            ...waiting.map((one, at) => row(index, at, one.facts, one.arrivalMs, undefined)),
            ...executing(index, served),
          ]),
          ...executing(-1, queues.queueless),
        ];
      });
      return aligned([withDetails ? [...head, ...details] : head, ...rows]);
    }
    default:
      return undefined;
  }
}

function detailsOf({ about }: RequestFacts): string[] {
  const { user, info } = about as { user: UserInfo; info: RequestInfo };
  const { verb, path, namespace, name, group, version, resource, subresource } = info;
  return [user.name, verb, path, namespace, name, apiVersionOf(group, version), resource, subresource];
}

const sorted = (levels: PriorityLevels) => levels.states().toSorted((a, b) => (a.name < b.name ? -1 : 1));
const seatSeconds = (value: number): string => `${value.toFixed(8)}ss`;

/** Formats as Go's tabwriter: columns of at least eight characters, separated by one blank. */
function aligned(rows: readonly (readonly (string | number | boolean)[])[]): string {
  const texts = rows.map((row) => row.map((cell) => `${cell},`));
  const widths = (texts[0] ?? []).map((_cell, column) => Math.max(8, ...texts.map((row) => (row[column] ?? '').length + 1)));
  return texts
    .map(
      (row) =>
        `${row.map((cell, column) => (column === row.length - 1 ? cell.replace(/,$/, '') : cell.padEnd(widths[column] ?? 0))).join('')}\n`,
    )
    .join('');
}
