/**
 * CSR approving controller: approves requests for kubelets' client certificates if RBAC allows the requester to get one without a person's
 * approval. Permission to create `certificatesigningrequests/selfnodeclient` allows renewing one's own certificate, `…/nodeclient` allows
 * one for any node. The other parts of our agents have users of their own, which upstream does not have; for them it checks
 * `…/selfagentclient` and `…/agentclient`.
 *
 * Watches: CertificateSigningRequest.  Writes: CertificateSigningRequest/approval.
 * Source: upstream `pkg/controller/certificates/approver/sarapprove.go`; kubernetes.io, TLS bootstrapping.
 */
import { agentUsers } from '#api/agent-users.ts';
import { kubeletClientProblem } from '#api/certificates/kubelet-requests.ts';
import { apiServerClientSigner, kubeletClientSigner } from '#api/certificates/signers.ts';
import type { CertificateSigningRequest } from '#api/types.generated.ts';
import { type CertificateRequest, parseCertificateRequest } from '#api/x509/certificate-request.ts';
import type { Controller, ControllerDeps } from '#client/controller.ts';
import { done, requeueAfter } from '#client/controller.ts';
import { own } from '#client/controller-runner.ts';
import { hasCondition, isIssued, withCondition } from './conditions.ts';

const resource = 'certificatesigningrequests.certificates.k8s.io';

/** A kind of request and the permission that approves it. */
interface Recognized {
  subresource: 'selfnodeclient' | 'nodeclient' | 'selfagentclient' | 'agentclient';
  message: string;
}

const self: Recognized = {
  subresource: 'selfnodeclient',
  message: 'Auto approving self kubelet client certificate after SubjectAccessReview.',
};
const any: Recognized = {
  subresource: 'nodeclient',
  message: 'Auto approving kubelet client certificate after SubjectAccessReview.',
};
const selfAgent: Recognized = {
  ...self,
  subresource: 'selfagentclient',
  message: 'Auto approving self agent client certificate after SubjectAccessReview.',
};
const anyAgent: Recognized = {
  ...any,
  subresource: 'agentclient',
  message: 'Auto approving agent client certificate after SubjectAccessReview.',
};
/** Permissions may be granted later without an event. As upstream, retry with back-off up to this time. */
const maxRetryMs = 1_000_000;
const minRetryMs = 1_000;

/** Makes the controller. */
export const csrApprovingController = ({ client, caches, clock }: ControllerDeps): Controller => ({
  name: 'csrapproving',
  watches: [own(resource)],

  async reconcile(key) {
    const request = caches.cache(resource).get(key);
    if (request === undefined || isIssued(request)) return done;
    if (hasCondition(request, 'Approved') || hasCondition(request, 'Denied')) return done;
    const ways = waysToApproval(request);
    for (const { subresource, message } of ways) {
      const { username: user, uid, groups, extra } = request.spec;
      const asked = {
        group: 'certificates.k8s.io',
        version: '*',
        resource: 'certificatesigningrequests',
        verb: 'create',
        subresource,
      };
      if (!(await client.reviewAccess({ user, uid, groups, extra, resourceAttributes: asked })).allowed) continue;
      const approved = withCondition(request, { type: 'Approved', status: 'True', reason: 'AutoApproved', message });
      await client.resource(resource).update(approved, { subresource: 'approval' });
      return done;
    }
    return ways.length === 0 ? done : requeueAfter(retryMs(request, clock.now()));
  },
});

/**
 * The permissions that would approve this request; empty when this controller does not handle it. @throws DerError for an invalid request.
 * Pure.
 */
export function waysToApproval({ spec }: CertificateSigningRequest): readonly Recognized[] {
  const { signerName, request, usages = [], username = '' } = spec;
  if (signerName !== kubeletClientSigner && signerName !== apiServerClientSigner) return [];
  const asked = parseCertificateRequest(request);
  const isOwn = username === asked.subject.commonName;
  if (signerName === apiServerClientSigner) {
    if (!isOfAgent(asked, usages)) return [];
    return isOwn ? [selfAgent, anyAgent] : [anyAgent];
  }
  if (kubeletClientProblem(asked, usages) !== undefined) return [];
  return isOwn ? [self, any] : [any];
}

const agents: ReadonlySet<string> = new Set(Object.values(agentUsers));
const clientUsages: ReadonlySet<string> = new Set(['client auth', 'digital signature', 'key encipherment']);

/** Whether the request is exactly for a user of an agent: no group, no other name, no other usage. */
function isOfAgent({ subject, names }: CertificateRequest, usages: readonly string[]): boolean {
  const { commonName, serialNumber, ...lists } = subject;
  const isBare = serialNumber === '' && [...Object.values(lists), ...Object.values(names)].every((list) => list.length === 0);
  return agents.has(commonName) && isBare && usages.includes('client auth') && usages.every((usage) => clientUsages.has(usage));
}

/** The wait until the next check: the age of the request, so it doubles each time. */
const retryMs = ({ metadata }: CertificateSigningRequest, nowMs: number): number =>
  Math.min(Math.max(nowMs - Date.parse(metadata.creationTimestamp ?? ''), minRetryMs), maxRetryMs);
