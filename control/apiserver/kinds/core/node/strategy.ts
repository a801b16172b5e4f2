/** Nodes. Source: upstream `pkg/registry/core/node/strategy.go`. */
import { nameIsDnsSubdomain } from '#api/names.ts';
import { proxyConnect } from '../../../proxy/connect.ts';
import { defineKind } from '../../define-kind.ts';
import { nodeColumns } from './columns.ts';
import { setNodeDefaults } from './defaults.ts';
import { nodeLocation } from './proxy.ts';
import { validateNode, validateNodeUpdate } from './validation.ts';

/** Has `/status` and `/proxy`. A kubelet registers with a status, which is kept. */
export const nodeKind = defineKind({
  resource: 'nodes',
  cluster: true,
  names: nameIsDnsSubdomain,
  checkedAgain: 'first',
  defaults: setNodeDefaults,
  // A kubelet registers its node with the status.
  status: { initial: ({ status = {} }) => status, validate: validateNodeUpdate },
  prepare(object, old) {
    if (old?.spec?.configSource === undefined) delete object.spec?.configSource;
    if (old === undefined) delete object.status?.config;
  },
  validate: validateNode,
  validateUpdate: validateNodeUpdate,
  warnings({ spec }) {
    return spec.externalID ? ['spec.externalID: this field is deprecated, and is unused by Kubernetes'] : [];
  },
  fieldSelectors: { 'spec.unschedulable': ({ spec }) => String(spec?.unschedulable ?? false) },
  subresources: {
    proxy: { carries: { group: '', version: 'v1', kind: 'NodeProxyOptions' }, connect: proxyConnect(nodeLocation) },
  },
  columns: nodeColumns,
});
