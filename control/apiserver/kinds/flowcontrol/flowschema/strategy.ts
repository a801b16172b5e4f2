/** FlowSchemas. Source: upstream `pkg/registry/flowcontrol/flowschema/strategy.go`, `pkg/apis/flowcontrol/v1/defaults.go`. */
import { nameIsDnsSubdomain } from '#api/names.ts';
import { defineKind } from '../../define-kind.ts';
import { validateFlowConditions } from '../conditions-validation.ts';
import { flowSchemaColumns } from './columns.ts';
import { validateFlowSchema } from './validation.ts';

const defaultPrecedence = 1000;

/** Has `/status`, which changes nothing of metadata. */
export const flowSchemaKind = defineKind({
  resource: 'flowschemas.flowcontrol.apiserver.k8s.io',
  cluster: true,
  names: nameIsDnsSubdomain,
  defaults(object) {
    object.spec ??= {} as typeof object.spec;
    if ((object.spec.matchingPrecedence ?? 0) === 0) object.spec.matchingPrecedence = defaultPrecedence;
  },
  generation: 'spec',
  status: {
    keeps: ['labels', 'annotations', 'ownerReferences', 'finalizers'],
    validate: ({ status }) => validateFlowConditions(status?.conditions),
  },
  resetFields: { status: { fields: [['f:spec'], ['f:metadata']] } },
  checkedAgain: 'first',
  validate: validateFlowSchema,
  columns: flowSchemaColumns,
});
