/**
 * Validates `PodLogOptions`; the API server and the kubelet both call it. Source: kubernetes `pkg/apis/core/validation`
 * (ValidatePodLogOptions).
 */
import { type FieldError, forbiddenField, invalidValue, notSupported } from './field-error.ts';
import type { QueryOptions } from './query-options.ts';

const logStreams = ['All', 'Stderr', 'Stdout'];

/** The errors of the options. Pure. */
export function validatePodLogOptions(options: QueryOptions<'PodLogOptions'>): FieldError[] {
  const { tailLines, limitBytes, sinceSeconds, sinceTime, stream = 'All' } = options;
  const problems: FieldError[] = [];
  if (tailLines !== undefined && tailLines < 0n)
    problems.push(invalidValue('tailLines', Number(tailLines), 'must be greater than or equal to 0'));
  if (limitBytes !== undefined && limitBytes < 1n)
    problems.push(invalidValue('limitBytes', Number(limitBytes), 'must be greater than 0'));
  if (sinceSeconds !== undefined && sinceTime !== undefined)
    problems.push(forbiddenField('', 'at most one of `sinceTime` or `sinceSeconds` may be specified'));
  else if (sinceSeconds !== undefined && sinceSeconds < 1n)
    problems.push(invalidValue('sinceSeconds', Number(sinceSeconds), 'must be greater than 0'));
  if (!logStreams.includes(stream)) problems.push(notSupported('stream', stream, logStreams));
  if (stream !== 'All' && tailLines !== undefined)
    problems.push(forbiddenField('', '`tailLines` and specific `stream` are mutually exclusive for now'));
  return problems;
}
