/** Services. Source: upstream `pkg/registry/core/service/{strategy.go,storage/storage.go}`. */
import { nameIsDnsLabel } from '#api/names.ts';
import { proxyConnect } from '../../../proxy/connect.ts';
import { defineKind } from '../../define-kind.ts';
import type { StrategyDeps } from '../../deps.ts';
import { serviceColumns } from './columns.ts';
import { setServiceDefaults } from './defaults.ts';
import { serviceLocation } from './proxy.ts';
import { prepareService } from './update.ts';
import { validateService, validateServiceStatus } from './validation.ts';
import { serviceWarnings } from './warnings.ts';

/** @param deps.services allocates cluster IPs and node ports */
export const serviceKind = ({ services }: Pick<StrategyDeps, 'services'>) =>
  defineKind({
    resource: 'services',
    names: nameIsDnsLabel,
    allowCreateOnUpdate: true,
    defaults: setServiceDefaults,
    status: { initial: () => ({ loadBalancer: {} }), validate: validateServiceStatus },
    prepare: prepareService,
    validate: validateService,
    warnings: serviceWarnings,
    // A write of the status has the stored spec object itself, so nothing is to be allocated.
    allocate: async (object, old, dryRun) =>
      old !== undefined && old.spec === object.spec ? async () => undefined : await services.allocate(object, old, dryRun),
    committed: (object, old, revision) => services.committed(object, old, revision),
    release: (object, revision) => services.release(object, revision),
    repair: (stored) => services.repair(stored),
    fieldSelectors: { 'spec.clusterIP': ({ spec }) => spec.clusterIP ?? '', 'spec.type': ({ spec }) => spec.type ?? '' },
    subresources: {
      proxy: { carries: { group: '', version: 'v1', kind: 'ServiceProxyOptions' }, connect: proxyConnect(serviceLocation) },
    },
    columns: serviceColumns,
  });
