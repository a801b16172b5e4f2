/** Label and field selectors of a request, as one test of an object. */
import {
  exactField,
  fieldSelectorSteps,
  labelSelectorSteps,
  matchesFields,
  matchesLabels,
  prepareSteps,
  SelectorError,
} from '#api/selector.ts';
import { badRequest } from '#api/status.ts';
import { atOnce, type Steps } from '#api/steps.ts';
import { inTurns } from '#client/turns.ts';
import type { CachedObject } from '../cache/cached-object.ts';
import type { Strategy } from '../registry/strategy.ts';

/** Which objects a request selects. */
export interface Predicate {
  /** Whether all objects match. */
  empty: boolean;
  matches(object: CachedObject): boolean;
  /** The only name that can match; undefined: any name can. */
  name: string | undefined;
}

/** The predicate of a request without selectors. */
export const everything: Predicate = { empty: true, matches: () => true, name: undefined };

/** Reads the selectors. @throws ApiError 400 for one that does not parse, or for a field that the kind cannot be selected by */
export function parsePredicate(strategy: Strategy, labelSelector: string, fieldSelector: string): Predicate | Promise<Predicate> {
  if (labelSelector === '' && fieldSelector === '') return everything;
  const steps = predicateSteps(strategy, labelSelector, fieldSelector);
  return labelSelector.length + fieldSelector.length > longText ? inTurns(steps) : atOnce(steps);
}

/** In characters: longer selectors, which may have a megabyte, are read in turns of the event loop. */
const longText = 16 * 1024;

function* predicateSteps(strategy: Strategy, labelSelector: string, fieldSelector: string): Steps<Predicate> {
  try {
    const labels = yield* labelSelectorSteps(labelSelector);
    const fields = yield* fieldSelectorSteps(fieldSelector);
    yield* prepareSteps(labels);
    for (const { field } of fields) checkField(strategy, field);
    if (labels.requirements.length === 0 && fields.length === 0) return everything;
    return {
      empty: false,
      name: exactField(fields, 'metadata.name'),
      matches: (cached) =>
        matchesLabels(labels, cached.object.metadata.labels) &&
        (fields.length === 0 || matchesFields(fields, fieldsOf(strategy, cached))),
    };
  } catch (error) {
    if (error instanceof SelectorError) throw badRequest(error.message);
    throw error;
  }
}

function checkField({ selectableFields, unknownField }: Strategy, field: string): void {
  if (field === 'metadata.name' || field === 'metadata.namespace') return;
  if (selectableFields?.includes(field) === true) return;
  throw badRequest(
    selectableFields === undefined
      ? `${JSON.stringify(field)} is not a known field selector: only "metadata.name", "metadata.namespace"`
      : (unknownField?.(field) ?? `field label not supported: ${field}`),
  );
}

function fieldsOf(strategy: Strategy, cached: CachedObject): Record<string, string> {
  return cached.derived('fields', () => ({
    ...strategy.fields?.(cached.object),
    'metadata.name': cached.object.metadata.name,
    'metadata.namespace': cached.object.metadata.namespace ?? '',
  }));
}
