/** ResourceClaimTemplates. Source: upstream `pkg/registry/resource/resourceclaimtemplate/strategy.go`. */
import { invalidValue } from '#api/field-error.ts';
import { nameIsDnsSubdomain } from '#api/names.ts';
import { goValue } from '../../../validation/go-value.ts';
import { semanticEqual } from '../../../validation/semantic-equal.ts';
import { nameAndAgeColumns } from '../../columns.ts';
import { validateTemplateMetadata } from '../../core/persistentvolumeclaim/spec-validation.ts';
import { defineKind } from '../../define-kind.ts';
import { checkAdminAccess, claimSpecChecks, setClaimDefaults } from '../claim-spec.ts';
import { goNames } from '../names.ts';

/** The resource claim controller creates a claim per pod from it. The spec is immutable. */
export const resourceClaimTemplateKind = defineKind({
  resource: 'resourceclaimtemplates.resource.k8s.io',
  names: nameIsDnsSubdomain,
  checkedAgain: 'first',
  defaults(object) {
    object.spec ??= { spec: {} };
    object.spec.spec ??= {};
    setClaimDefaults(object.spec.spec);
  },
  async checkWriter({ metadata, spec }, old, context) {
    if (old !== undefined) return;
    const { name, namespace = '' } = metadata;
    await checkAdminAccess(spec.spec, { kind: 'ResourceClaimTemplate', name, namespace }, context);
  },
  checks: ({ spec }) => [
    () => validateTemplateMetadata(spec.metadata, 'spec.metadata'),
    ...claimSpecChecks(spec.spec, 'spec.spec'),
  ],
  validateUpdate: ({ spec }, old) =>
    semanticEqual(spec, old.spec)
      ? []
      : [invalidValue('spec', { Spec: goValue('resource/v1.ResourceClaimSpec', spec.spec, goNames) }, 'field is immutable')],
  columns: nameAndAgeColumns,
});
