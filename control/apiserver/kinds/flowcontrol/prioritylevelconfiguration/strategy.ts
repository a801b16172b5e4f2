/** PriorityLevelConfigurations. Source: upstream `pkg/registry/flowcontrol/prioritylevelconfiguration/strategy.go`, `pkg/apis/flowcontrol/v1/defaults.go`. */
import { nameIsDnsSubdomain } from '#api/names.ts';
import { defineKind } from '../../define-kind.ts';
import { validateFlowConditions } from '../conditions-validation.ts';
import { priorityLevelColumns } from './columns.ts';
import { validatePriorityLevel } from './validation.ts';

/** Has `/status`, which changes nothing of metadata. */
export const priorityLevelKind = defineKind({
  resource: 'prioritylevelconfigurations.flowcontrol.apiserver.k8s.io',
  cluster: true,
  names: nameIsDnsSubdomain,
  defaults(object) {
    object.spec ??= {} as typeof object.spec;
    const { exempt, limited } = object.spec;
    if (exempt !== undefined) {
      exempt.nominalConcurrencyShares ??= 0;
      exempt.lendablePercent ??= 0;
    }
    if (limited === undefined) return;
    limited.nominalConcurrencyShares ??= 30;
    limited.lendablePercent ??= 0;
    const queuing = limited.limitResponse?.queuing;
    if (queuing === undefined) return;
    // As in upstream, zero counts as absent.
    queuing.handSize ||= 8;
    queuing.queues ||= 64;
    queuing.queueLengthLimit ||= 50;
  },
  generation: 'spec',
  status: {
    keeps: ['labels', 'annotations', 'ownerReferences', 'finalizers'],
    validate: ({ status }) => validateFlowConditions(status?.conditions),
  },
  resetFields: { status: { fields: [['f:spec'], ['f:metadata']] } },
  checkedAgain: 'first',
  validate: validatePriorityLevel,
  columns: priorityLevelColumns,
});
