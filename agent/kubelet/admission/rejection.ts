/** Why a pod is not taken, or was ended: `reason` and `message` of its status, in upstream's words. */
export interface Rejection {
  reason: string;
  message: string;
}
