/**
 * The query of list, watch and deletecollection requests, read and checked as upstream does.
 *
 * Source: apimachinery `pkg/apis/meta/internalversion/validation`; kubernetes.io, API concepts (resource versions).
 */
import { errorText } from '#api/error-text.ts';
import { type FieldError, forbiddenField, notSupported } from '#api/field-error.ts';
import { parseUint64 } from '#api/int64.ts';
import { readQueryOptions } from '#api/query-options.ts';
import { badRequest, invalid } from '#api/status.ts';

/** The options of a list, watch or deletecollection. */
export interface ListQuery {
  labelSelector: string;
  fieldSelector: string;
  limit: number;
  continue: string;
  resourceVersion: string;
  resourceVersionMatch: '' | 'Exact' | 'NotOlderThan';
  watch: boolean;
  allowWatchBookmarks: boolean;
  sendInitialEvents: boolean | undefined;
  /** Undefined: the server chooses. */
  timeoutSeconds: number | undefined;
}

/** Reads and checks the options. @throws ApiError 400 for values that do not parse, 422 for combinations that are not allowed */
export function parseListQuery(query: URLSearchParams, watch: boolean): ListQuery {
  const options = readQueryOptions('ListOptions', query);
  const timeoutSeconds = Number(options.timeoutSeconds ?? 0n);
  const parsed: ListQuery = {
    ...options,
    limit: Number(options.limit),
    resourceVersionMatch: options.resourceVersionMatch as ListQuery['resourceVersionMatch'],
    watch,
    timeoutSeconds: timeoutSeconds === 0 ? undefined : timeoutSeconds,
  };
  const problems = watch ? checkWatch(parsed) : checkList(parsed);
  if (problems.length > 0) throw invalid({ group: 'meta.k8s.io', name: 'ListOptions' }, '', problems);
  return parsed;
}

/**
 * A resourceVersion as a number; 0 for none. Beyond 2^53, where no store's revision ever is, it may be off by some.
 * @throws ApiError 400 for a text that is no unsigned 64-bit number
 */
export function parseRevision(text: string): number {
  if (text === '') return 0;
  try {
    return Number(parseUint64(text));
  } catch (error) {
    throw badRequest(`resourceVersion: Invalid value: ${JSON.stringify(text)}: ${errorText(error)}`);
  }
}

function checkList({
  resourceVersionMatch: match,
  resourceVersion,
  continue: token,
  sendInitialEvents,
}: ListQuery): FieldError[] {
  const problems: FieldError[] = [];
  if (match !== '') {
    if (resourceVersion === '') {
      problems.push(
        forbiddenField('resourceVersionMatch', 'resourceVersionMatch is forbidden unless resourceVersion is provided'),
      );
    }
    if (token !== '')
      problems.push(forbiddenField('resourceVersionMatch', 'resourceVersionMatch is forbidden when continue is provided'));
    if (match !== 'Exact' && match !== 'NotOlderThan') {
      problems.push(notSupported('resourceVersionMatch', match, ['Exact', 'NotOlderThan', '']));
    }
    if (match === 'Exact' && resourceVersion === '0') {
      problems.push(forbiddenField('resourceVersionMatch', 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'));
    }
  }
  if (sendInitialEvents !== undefined)
    problems.push(forbiddenField('sendInitialEvents', 'sendInitialEvents is forbidden for list'));
  return problems;
}

function checkWatch({ resourceVersionMatch: match, continue: token, sendInitialEvents }: ListQuery): FieldError[] {
  const problems: FieldError[] = [];
  if (sendInitialEvents !== undefined && match !== 'NotOlderThan') {
    problems.push(
      forbiddenField('resourceVersionMatch', 'sendInitialEvents requires setting resourceVersionMatch to NotOlderThan'),
    );
  }
  if (match !== '') {
    if (sendInitialEvents === undefined) {
      problems.push(
        forbiddenField(
          'resourceVersionMatch',
          'resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided',
        ),
      );
    }
    if (match !== 'NotOlderThan') problems.push(notSupported('resourceVersionMatch', match, ['NotOlderThan']));
    if (token !== '')
      problems.push(forbiddenField('resourceVersionMatch', 'resourceVersionMatch is forbidden when continue is provided'));
  }
  return problems;
}
