/**
 * The expressions of a policy, compiled once for each version of it.
 *
 * Source: apiserver `pkg/admission/plugin/policy/validating/plugin.go`, `mutating/compilation.go` (compilePolicy).
 */

import {
  admissionEnvironment,
  applyConfigurationType,
  type Compiled,
  ComposedVariables,
  compileExpression,
  jsonPatchType,
} from '#api/cel/admission-environments.ts';
import type { CelEnvironment } from '#api/cel/environment.ts';
import { boolType, listType, nullType, stringType } from '#api/cel/types.ts';
import type { MutatingAdmissionPolicy, ValidatingAdmissionPolicy, Variable } from '#api/types.generated.ts';

/** A ValidatingAdmissionPolicy's. */
export interface CompiledValidatingPolicy {
  variables: ComposedVariables | undefined;
  validations: readonly { validation: Compiled; message: Compiled | undefined }[];
  annotations: readonly { key: string; value: Compiled }[];
}

/** A MutatingAdmissionPolicy's. */
export interface CompiledMutatingPolicy {
  variables: ComposedVariables | undefined;
  mutations: readonly Compiled[];
}

/** Policies whose stored version is gone are forgotten with it. */
const validating = new WeakMap<ValidatingAdmissionPolicy, CompiledValidatingPolicy>();
const mutating = new WeakMap<MutatingAdmissionPolicy, CompiledMutatingPolicy>();

/** @param policy as it is stored */
export function compiledValidatingPolicy(policy: ValidatingAdmissionPolicy): CompiledValidatingPolicy {
  const known = validating.get(policy);
  if (known !== undefined) return known;
  const { paramKind, validations = [], auditAnnotations = [] } = policy.spec;
  const params = paramKind !== undefined;
  const { variables, environment } = composed(policy.spec.variables, params);
  const rules = environment(admissionEnvironment({ params, authorizer: true }));
  const messages = environment(admissionEnvironment({ params, authorizer: false }));
  const compiled: CompiledValidatingPolicy = {
    variables,
    validations: validations.map(({ expression, messageExpression = '' }) => ({
      validation: compileExpression(rules, expression, boolType),
      message: messageExpression === '' ? undefined : compileExpression(messages, messageExpression, stringType),
    })),
    annotations: auditAnnotations.map(({ key, valueExpression }) => ({
      key,
      value: compileExpression(rules, valueExpression, stringType, nullType),
    })),
  };
  validating.set(policy, compiled);
  return compiled;
}

/** @param policy as it is stored */
export function compiledMutatingPolicy(policy: MutatingAdmissionPolicy): CompiledMutatingPolicy {
  const known = mutating.get(policy);
  if (known !== undefined) return known;
  const params = policy.spec.paramKind !== undefined;
  const { variables, environment } = composed(policy.spec.variables, params);
  const patches = environment(admissionEnvironment({ params, authorizer: true, patches: true }));
  const compiled: CompiledMutatingPolicy = {
    variables,
    mutations: (policy.spec.mutations ?? []).map(({ patchType, jsonPatch, applyConfiguration }) =>
      patchType === 'JSONPatch'
        ? compileExpression(patches, jsonPatch?.expression ?? '', listType(jsonPatchType))
        : compileExpression(patches, applyConfiguration?.expression ?? '', applyConfigurationType),
    ),
  };
  mutating.set(policy, compiled);
  return compiled;
}

function composed(
  declared: readonly Variable[] = [],
  params: boolean,
): { variables: ComposedVariables | undefined; environment(base: CelEnvironment): CelEnvironment } {
  if (declared.length === 0) return { variables: undefined, environment: (base) => base };
  const variables = new ComposedVariables();
  for (const variable of declared) variables.add(admissionEnvironment({ params, authorizer: true }), variable);
  return { variables, environment: (base) => variables.environment(base) };
}
