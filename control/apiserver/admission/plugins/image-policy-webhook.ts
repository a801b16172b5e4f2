/**
 * ImagePolicyWebhook: another server decides whether the images of a pod may run. Off by default.
 *
 * Source: upstream `plugin/pkg/admission/imagepolicy`; kubernetes.io, Admission Control (ImagePolicyWebhook).
 */
import { errorText } from '#api/error-text.ts';
import { isJsonObject, type JsonObject } from '#api/json.ts';
import type { Pod } from '#api/types.generated.ts';
import { AnswerCache } from '#client/answer-cache.ts';
import { OutsideError } from '#client/outside-request.ts';
import { askReview, type ReviewDeps } from '#client/review-webhook.ts';
import type { ImagePolicy } from '../config/image-policy.ts';
import { type AdmissionPlugin, admissionForbidden, concerns } from '../plugin.ts';

const auditPrefix = 'imagepolicywebhook.image-policy.k8s.io/';

/** @param policy absent: every pod is refused @throws (when asked) ApiError 403 */
export function imagePolicyWebhook(policy: ImagePolicy | undefined, deps: ReviewDeps): AdmissionPlugin {
  const answers = new AnswerCache<JsonObject>(deps.clock, ({ allowed }) =>
    allowed === true ? (policy?.allowMs ?? 0) : (policy?.denyMs ?? 0),
  );
  return {
    name: 'ImagePolicyWebhook',
    handles: (operation) => operation === 'create' || operation === 'update',

    async validate(attributes, { annotate }) {
      const ofEphemeral = concerns(attributes, '', 'pods', 'ephemeralcontainers');
      if (!ofEphemeral && !concerns(attributes, '', 'pods')) return;
      if (policy === undefined) throw admissionForbidden(attributes, 'no image policy webhook is configured');
      const spec = specOf(attributes.object as Pod, attributes.namespace, ofEphemeral);
      let status: JsonObject;
      try {
        status = await answers.get(JSON.stringify(spec), () => review(policy, spec, deps));
      } catch (error) {
        if (!(error instanceof OutsideError)) throw error;
        if (!policy.defaultAllow) throw admissionForbidden(attributes, errorText(error));
        annotate(`${auditPrefix}failed-open`, 'true');
        return;
      }
      const { allowed, reason, auditAnnotations } = status;
      for (const [key, value] of Object.entries(isJsonObject(auditAnnotations) ? auditAnnotations : {}))
        if (typeof value === 'string') annotate(`${auditPrefix}${key}`, value);
      if (allowed === true) return;
      const why =
        typeof reason === 'string' && reason !== ''
          ? `image policy webhook backend denied one or more images: ${reason}`
          : 'one or more images rejected by webhook backend';
      throw admissionForbidden(attributes, why);
    },
  };
}

/** The images of the containers that the request sets, and the annotations for such webhooks. */
function specOf({ metadata, spec }: Pod, namespace: string, ofEphemeral: boolean): JsonObject {
  const containers: { image?: string | undefined }[] = ofEphemeral
    ? (spec.ephemeralContainers ?? [])
    : [...spec.containers, ...(spec.initContainers ?? [])];
  const annotations = Object.entries(metadata.annotations ?? {}).filter(([key]) => key.includes('.image-policy.k8s.io/'));
  return {
    containers: containers.map(({ image = '' }) => ({ image })),
    ...(annotations.length === 0 ? {} : { annotations: Object.fromEntries(annotations) }),
    namespace,
  };
}

/** The status in the webhook's response. @throws OutsideError */
const review = ({ config, firstRetryMs }: ImagePolicy, spec: JsonObject, deps: ReviewDeps): Promise<JsonObject> =>
  askReview(
    {
      config,
      firstRetryMs,
      object: {
        kind: 'ImageReview',
        apiVersion: 'imagepolicy.k8s.io/v1alpha1',
        metadata: { creationTimestamp: null },
        spec,
        status: { allowed: false },
      },
    },
    deps,
  );
