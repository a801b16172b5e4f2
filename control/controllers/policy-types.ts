/**
 * Type checks a ValidatingAdmissionPolicy's expressions for the resources that its rules name. Pure.
 *
 * Source: apiserver `pkg/admission/plugin/policy/validating/typechecking.go`.
 */
import { admissionEnvironment, ComposedVariables, compileExpression } from '#api/cel/admission-environments.ts';
import type { Type } from '#api/cel/types.ts';
import { declaredType } from '#api/cel-schema/declared-type.ts';
import { factsNode } from '#api/cel-schema/facts-node.ts';
import type { ResourceCatalog } from '#api/resource-catalog.ts';
import type { Resource } from '#api/resources.ts';
import { detailedTypeOf, hasType } from '#api/schema/facts.ts';
import { parseStructuralSchema } from '#api/structural-schema/structural-schema.ts';
import type { ExpressionWarning, NamedRuleWithOperations, ParamKind, ValidatingAdmissionPolicy } from '#api/types.generated.ts';

const maxTypes = 10;

/** A kind and its type. */
interface CheckedKind {
  kind: string;
  type: Type;
}

/** The warnings by expression. Empty when there are none, or the types are unknown. */
export function policyTypeWarnings(policy: ValidatingAdmissionPolicy, catalog: ResourceCatalog): ExpressionWarning[] {
  const { matchConstraints, paramKind, validations = [], variables = [] } = policy.spec;
  const kinds = rowsOf(matchConstraints?.resourceRules ?? [], catalog).flatMap(typeOf);
  const paramsType = paramTypeOf(paramKind, catalog);
  const check = (expression: string | undefined, fieldRef: string): ExpressionWarning[] => {
    if (expression === undefined || expression === '') return [];
    const warnings = kinds.flatMap(({ kind, type }) => {
      const base = admissionEnvironment({ params: paramKind !== undefined, authorizer: true, objectType: type, paramsType });
      const composed = new ComposedVariables();
      for (const variable of variables) composed.add(base, variable);
      const { problem } = compileExpression(composed.environment(base), expression);
      return problem === '' ? [] : [`${kind}: ${problem.replace(/^compilation failed: /, '')}\n`];
    });
    return warnings.length === 0 ? [] : [{ fieldRef, warning: warnings.join('\n') }];
  };
  return validations.flatMap(({ expression, messageExpression }, index) => [
    ...check(expression, `spec.validations[${index}].expression`),
    ...check(messageExpression, `spec.validations[${index}].messageExpression`),
  ]);
}

/** The resources that the rules name without wildcards: unique kinds, sorted. */
function rowsOf(rules: readonly NamedRuleWithOperations[], catalog: ResourceCatalog): Resource[] {
  const rows = new Map<string, Resource>();
  for (const { apiGroups = [], apiVersions = [], resources = [] } of rules) {
    if ([...apiGroups, ...apiVersions].some((name) => name.includes('*'))) continue;
    const plurals = resources.filter((name) => !/[*/]/.test(name));
    for (const group of apiGroups)
      for (const version of apiVersions)
        for (const plural of plurals) {
          const row = catalog.find(group, version, plural);
          if (row !== undefined && rows.size < maxTypes) rows.set(kindText(row), row);
        }
  }
  return [...rows.keys()].sort().map((kind) => rows.get(kind) as Resource);
}

const kindText = ({ group, version, kind }: Resource): string => `${group}/${version}, Kind=${kind}`;

function typeOf(row: Resource): CheckedKind[] {
  const type = declaredTypeOf(row);
  return type === undefined ? [] : [{ kind: kindText(row), type }];
}

function paramTypeOf(paramKind: ParamKind | undefined, catalog: ResourceCatalog): Type | undefined {
  const { apiVersion = '', kind } = paramKind ?? {};
  const slash = apiVersion.indexOf('/');
  const [group, version] = slash < 0 ? ['', apiVersion] : [apiVersion.slice(0, slash), apiVersion.slice(slash + 1)];
  const row = catalog.all().find((each) => each.kind === kind && each.group === group && each.version === version);
  return row === undefined ? undefined : declaredTypeOf(row);
}

/** The CEL type of a resource; undefined when its schema is unknown. */
function declaredTypeOf({ schema, kind }: Resource): Type | undefined {
  const details = detailedTypeOf(schema);
  if (details !== undefined) return declaredType(parseStructuralSchema(details.source), true, kind)?.type;
  if (!hasType(schema) || isRecursive.has(schema)) return undefined;
  return declaredType(factsNode(schema), true, kind)?.type;
}

/** Kinds with recursive schemas, which cannot be converted to a type. */
const isRecursive = new Set(['apiextensions/v1.CustomResourceDefinition']);
