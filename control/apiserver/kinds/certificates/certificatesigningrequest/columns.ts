/** Columns of CertificateSigningRequests. Source: upstream `pkg/printers/internalversion/printers.go`. */
import type { CertificateSigningRequest } from '#api/types.generated.ts';
import type { TableColumns } from '../../../registry/strategy.ts';
import { ageColumn, ageOf, column, humanDuration, nameColumn } from '../../columns.ts';
import { conditionsOf } from './conditions.ts';

/**
 * The table of CertificateSigningRequests: its columns, and the row of one object at a given time (milliseconds since the epoch).
 */
export const certificateSigningRequestColumns: TableColumns<CertificateSigningRequest> = {
  columns: [
    nameColumn,
    ageColumn,
    column('SignerName', 'The signer that is asked for a certificate.'),
    column('Requestor', 'The user who asks.'),
    column('RequestedDuration', 'How long the certificate is asked to be valid.'),
    column('Condition', 'Whether the request is approved, denied or failed, and whether a certificate was issued.'),
  ],
  cells(object, nowMs) {
    const { signerName, username, expirationSeconds } = object.spec;
    return [
      object.metadata.name,
      ageOf(object, nowMs),
      signerName || '<none>',
      username ?? '',
      expirationSeconds === undefined ? '<none>' : humanDuration(expirationSeconds * 1000),
      stateOf(object),
    ];
  },
};

/** `Pending`; `Approved,Issued`. */
function stateOf(object: CertificateSigningRequest): string {
  const types = new Set(conditionsOf(object).map(({ type }) => type));
  const decision = types.has('Denied') ? 'Denied' : types.has('Approved') ? 'Approved' : 'Pending';
  const isIssued = (object.status?.certificate ?? '') !== '';
  return `${decision}${types.has('Failed') ? ',Failed' : ''}${isIssued ? ',Issued' : ''}`;
}
