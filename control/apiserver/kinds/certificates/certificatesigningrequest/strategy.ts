/**
 * CertificateSigningRequests: a client asks for a certificate, an approver approves, a signer issues. The server records who
 * asks, and nobody can change the request itself. `/approval` writes conditions, `/status` the certificate and further
 * conditions.
 *
 * Source: upstream `pkg/registry/certificates/certificates/strategy.go`.
 */
import { nameIsPathSegment } from '#api/names.ts';
import { validateObjectMeta } from '#api/object-meta.ts';
import type { CertificateSigningRequest } from '#api/types.generated.ts';
import type { UserInfo } from '../../../registry/strategy.ts';
import { defineKind } from '../../define-kind.ts';
import type { StrategyDeps } from '../../deps.ts';
import { partSubresource } from '../../part-subresource.ts';
import { certificateSigningRequestColumns } from './columns.ts';
import { completeTimes, keepConditions } from './conditions.ts';
import { validateRequest, validateRequestUpdate } from './validation.ts';

/** Has `/status` and `/approval`; each of the three endpoints may write another part. */
export const certificateSigningRequestKind = ({ certificates }: Pick<StrategyDeps, 'certificates'>) =>
  defineKind({
    resource: 'certificatesigningrequests.certificates.k8s.io',
    cluster: true,
    names: nameIsPathSegment,
    defaults(object) {
      object.spec ??= { request: '', signerName: '' };
    },
    prepare(object, old, { user }) {
      if (old === undefined) tellWhoAsks(object, user);
      else object.spec = old.spec;
    },
    status: {
      initial: () => ({}),
      prepare(object, old, { clock }) {
        keepConditions(object, old, 'Approved');
        keepConditions(object, old, 'Denied');
        completeTimes(object, old, clock.now());
      },
      validate: (object, old) => [...metadataErrors(object), ...validateRequestUpdate(object, old, 'status')],
    },
    parts: {
      approval: {
        prepare(object, old, { clock }) {
          completeTimes(object, old, clock.now());
          const { conditions } = object.status ?? {};
          object.spec = old.spec;
          object.status = { ...old.status, conditions };
          if (conditions === undefined) delete object.status.conditions;
        },
        validate: (object, old) => [...metadataErrors(object), ...validateRequestUpdate(object, old, 'approval')],
      },
    },
    resetFields: {
      '': { fields: [['f:spec'], ['f:status']] },
      approval: { fields: [['f:spec'], ['f:status', 'f:certificate']] },
      status: { fields: [['f:spec'], ['f:status', 'f:conditions']] },
    },
    subresources: { approval: partSubresource('approval') },
    checkedAgain: 'first',
    validate: (object, old) => (old === undefined ? validateRequest(object) : validateRequestUpdate(object, old, '')),
    fieldSelectors: { 'spec.signerName': ({ spec }) => spec.signerName ?? '' },
    committed: async (object, old) => certificates?.written(object, old),
    columns: certificateSigningRequestColumns,
  });

const metadataErrors = ({ metadata }: CertificateSigningRequest) =>
  validateObjectMeta(metadata, { namespaced: false, name: nameIsPathSegment });

/** Records the user of the request in the spec, in place, whatever the client wrote there. */
function tellWhoAsks({ spec }: CertificateSigningRequest, { name, uid, groups, extra }: UserInfo): void {
  const said = {
    username: name === '' ? undefined : name,
    uid: uid === '' ? undefined : uid,
    groups: groups.length === 0 ? undefined : [...groups],
    extra:
      Object.keys(extra).length === 0
        ? undefined
        : Object.fromEntries(Object.entries(extra).map(([key, values]) => [key, [...values]])),
  };
  for (const [field, value] of Object.entries(said))
    if (value === undefined) delete spec[field as keyof typeof said];
    else Object.assign(spec, { [field]: value });
}
