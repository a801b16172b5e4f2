/** IngressClasses. Source: upstream `pkg/apis/networking/validation/validation.go`. */
import { type FieldError, forbiddenField, invalidValue, notSupported, required, tooLong } from '#api/field-error.ts';
import { isDns1123Label } from '#api/names.ts';
import type { IngressClass, IngressClassParametersReference } from '#api/types.generated.ts';
import { validateDomainPrefixedPath } from '../../../validation/paths.ts';
import { validateLocalReference } from '../reference-validation.ts';

const controllerMaxLength = 250;
const scopes = ['Cluster', 'Namespace'];

/**
 * Problems of the controller's name and of the parameters' reference. Source: upstream `pkg/apis/networking/validation`
 * (ValidateIngressClass).
 */
export function validateIngressClass({ spec: { controller = '', parameters } }: IngressClass): FieldError[] {
  return [
    ...(Buffer.byteLength(controller) > controllerMaxLength ? [tooLong('spec.controller', controllerMaxLength)] : []),
    ...validateDomainPrefixedPath(controller, 'spec.controller'),
    ...(parameters === undefined ? [] : validateParameters(parameters, 'spec.parameters')),
  ];
}

function validateParameters(parameters: IngressClassParametersReference, path: string): FieldError[] {
  const { scope, namespace } = parameters;
  const errors = validateLocalReference(parameters, path);
  if (scope === undefined) return [...errors, required(`${path}.scope`)];
  if (!scopes.includes(scope)) return [...errors, notSupported(`${path}.scope`, scope, scopes)];
  const at = `${path}.namespace`;
  if (scope === 'Cluster')
    return namespace === undefined ? errors : [...errors, forbiddenField(at, "`parameters.scope` is set to 'Cluster'")];
  if (namespace === undefined) return [...errors, required(at, "`parameters.scope` is set to 'Namespace'")];
  return [...errors, ...isDns1123Label(namespace).map((text) => invalidValue(at, namespace, text))];
}
