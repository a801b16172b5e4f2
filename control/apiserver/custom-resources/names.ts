/**
 * Which names a definition gets: two of one group cannot have the same. Pure.
 *
 * Source: apiextensions-apiserver `pkg/controller/status/naming_controller.go`.
 */
import { sameJson } from '#api/meta.ts';
import type { CustomResourceDefinition, CustomResourceDefinitionNames } from '#api/types.generated.ts';
import {
  type ConditionFacts,
  findCondition,
  says,
  withCondition,
} from '../kinds/apiextensions/customresourcedefinition/conditions.ts';

const noNames: CustomResourceDefinitionNames = { plural: '', kind: '' };

/** @param others of the same group, this one included or not @returns the definition with names and conditions; itself when nothing changes */
export function withAcceptedNames(
  definition: CustomResourceDefinition,
  others: () => readonly CustomResourceDefinition[],
  nowMs: number,
): CustomResourceDefinition {
  const wanted = definition.spec.names;
  const accepted = definition.status?.acceptedNames ?? noNames;
  if (sameJson(normal(wanted), normal(accepted))) return definition;
  const { names, condition } = decide(wanted, accepted, others());
  if (sameJson(normal(accepted), normal(names)) && says(definition, condition)) return definition;
  const named = { ...definition, status: { ...definition.status, acceptedNames: names } };
  const installed = withCondition(named, condition, nowMs);
  const established = establishedBefore(definition, condition);
  return established === undefined ? installed : withCondition(installed, established, nowMs);
}

/** Absent and empty names are the same. */
const normal = ({
  plural,
  singular = '',
  kind,
  listKind = '',
  shortNames = [],
  categories = [],
}: CustomResourceDefinitionNames) => ({
  plural,
  singular,
  kind,
  listKind,
  shortNames,
  categories,
});

function decide(
  wanted: CustomResourceDefinitionNames,
  accepted: CustomResourceDefinitionNames,
  others: readonly CustomResourceDefinition[],
): { names: CustomResourceDefinitionNames; condition: ConditionFacts } {
  const taken = others.map(({ status }) => status?.acceptedNames ?? noNames);
  const resources = new Set(taken.flatMap(({ plural, singular = '', shortNames = [] }) => [plural, singular, ...shortNames]));
  const kinds = new Set(taken.flatMap(({ kind, listKind = '' }) => [kind, listKind]));
  const names = { ...accepted, categories: wanted.categories };
  let condition: ConditionFacts = {
    type: 'NamesAccepted',
    status: 'True',
    reason: 'NoConflicts',
    message: 'no conflicts found',
  };
  const refuse = (reason: string, used: readonly string[]): void => {
    const texts = used.map((name) => `${JSON.stringify(name)} is already in use`);
    const message = texts.length === 1 ? (texts[0] ?? '') : `[${texts.join(', ')}]`;
    condition = { type: 'NamesAccepted', status: 'False', reason, message };
  };
  const one = (field: 'plural' | 'singular' | 'kind' | 'listKind', used: ReadonlySet<string>, reason: string): void => {
    const name = wanted[field] ?? '';
    if (name !== (accepted[field] ?? '') && used.has(name)) refuse(reason, [name]);
    else names[field] = name;
  };
  one('plural', resources, 'PluralConflict');
  one('singular', resources, 'SingularConflict');
  const own = new Set(accepted.shortNames);
  const used = (wanted.shortNames ?? []).filter((name) => !own.has(name) && resources.has(name));
  if (used.length > 0) refuse('ShortNamesConflict', [...new Set(used)]);
  else names.shortNames = wanted.shortNames;
  one('kind', kinds, 'KindConflict');
  one('listKind', kinds, 'ListKindConflict');
  return { names, condition };
}

/** What `Established` says until the kinds are served; undefined: it stays as it is. */
function establishedBefore(definition: CustomResourceDefinition, { status }: ConditionFacts): ConditionFacts | undefined {
  const old = findCondition(definition, 'Established');
  if (old?.status === 'True') return undefined;
  if (status === 'True')
    return { type: 'Established', status: 'False', reason: 'Installing', message: 'the initial names have been accepted' };
  if (old !== undefined) return undefined;
  return { type: 'Established', status: 'False', reason: 'NotAccepted', message: 'not all names are accepted' };
}
