/** DaemonSets. Source: upstream `pkg/registry/apps/daemonset/strategy.go`. */
import { nameIsDnsSubdomain } from '#api/names.ts';
import { defineKind } from '../../define-kind.ts';
import { daemonSetColumns } from './columns.ts';
import { setDaemonSetDefaults } from './defaults.ts';
import { countTemplates, keepTemplateCount } from './template-generation.ts';
import { validateDaemonSet, validateDaemonSetStatus } from './validation.ts';

const noStatus = { currentNumberScheduled: 0, desiredNumberScheduled: 0, numberMisscheduled: 0, numberReady: 0 };

/** Has `/status`. `spec.templateGeneration` counts changes of the pod template, whatever the client sends. */
export const daemonSetKind = defineKind({
  resource: 'daemonsets.apps',
  names: nameIsDnsSubdomain,
  defaults: setDaemonSetDefaults,
  podTemplate: 'spec.template',
  status: { initial: () => ({ ...noStatus }), prepare: keepTemplateCount, validate: validateDaemonSetStatus },
  generation: 'spec',
  prepare: countTemplates,
  validate: validateDaemonSet,
  columns: daemonSetColumns,
});
