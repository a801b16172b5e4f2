/** Resources of which quotas only count the objects. Source: apiserver `pkg/quota/v1/generic/evaluator.go`. */
import { countName, type Evaluator } from './evaluator.ts';

/** The names from before there was `count/…`. */
const olderNames: Readonly<Record<string, string>> = {
  'count/configmaps': 'configmaps',
  'count/resourcequotas': 'resourcequotas',
  'count/replicationcontrollers': 'replicationcontrollers',
  'count/secrets': 'secrets',
};

/** The older names with the plural of their resource, which is of the core group. */
export const countedByOlderName: ReadonlySet<string> = new Set(Object.values(olderNames));

/** Counts the objects of a resource. */
export function objectCountEvaluator(group: string, plural: string): Evaluator {
  const name = countName(group, plural);
  const older = olderNames[name];
  const names = older === undefined ? [name] : [name, older];
  const usage = Object.fromEntries(names.map((one) => [one, '1']));
  return {
    measures: (one) => names.includes(one),
    handles: ({ operation, subresource }) => operation === 'create' && subresource === '',
    isInScope: () => false,
    missing: () => undefined,
    usage: () => usage,
    isReplenished: () => false,
  };
}
