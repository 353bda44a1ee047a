import { createHmac } from "node:crypto";
import { unauthorized } from "./api-error.ts";
import { at, textOf } from "./json.ts";
import type { Json, JsonObject } from "./json.ts";
import type { Store } from "./store.ts";
import { administrator, anonymous } from "./user.ts";
import type { User } from "./user.ts";

const issuer = "https://kubernetes.default.svc";

/** What a service-account token is bound to, beside the account. */
export interface Binding {
  /** Ends up in `userInfo.extra["authentication.kubernetes.io/node-name"]`. */
  nodeName?: string;
  /** Ends up in `userInfo.extra["authentication.kubernetes.io/pod-name"]`. */
  podName?: string;
}

/** A token and when it ends. */
export interface IssuedToken {
  token: string;
  expiresMs: number;
}

function base64(value: Json): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}

/**
 * Issues and checks bearer tokens. A service account's token is a signed JWT that counts while the
 * account with that uid is there, the pod it is bound to too, and its time has not passed.
 */
export class Tokens {
  readonly adminToken = "admin-token";
  readonly #store: Store;
  readonly #nowMs: () => number;
  readonly #users = new Map<string, User>([[this.adminToken, administrator]]);
  #issued = 0;

  constructor(store: Store, nowMs: () => number) {
    this.#store = store;
    this.#nowMs = nowMs;
  }

  /** A token for a user that is no service account, such as a kubelet. It never ends. */
  forUser(name: string, groups: readonly string[]): string {
    const token = `user-token-${name}`;
    this.#users.set(token, {
      name,
      uid: "",
      groups: [...groups, "system:authenticated"],
      extra: {},
    });
    return token;
  }

  /**
   * A token for a service account that is there.
   * @throws {Error} when it is not.
   */
  forServiceAccount(
    namespace: string,
    name: string,
    binding: Binding,
    lifetimeSeconds: number,
  ): IssuedToken {
    const account = this.#store.get("serviceaccounts", namespace, name);
    if (account === undefined) {
      throw new Error(
        `No service account '${namespace}/${name}' to issue a token for: create it before asking for its token`,
      );
    }
    const pod = this.#store.get("pods", namespace, binding.podName ?? "");
    const nodeName = binding.nodeName ?? textOf(at(pod, "spec", "nodeName"));
    const node = this.#store.get("nodes", "", nodeName);
    this.#issued += 1;
    const seconds = Math.floor(this.#nowMs() / 1000);
    const claims: JsonObject = {
      aud: [issuer],
      exp: seconds + lifetimeSeconds,
      iat: seconds,
      iss: issuer,
      jti: `token-${this.#issued}`,
      "kubernetes.io": {
        namespace,
        serviceaccount: { name, uid: account.metadata.uid },
        ...(binding.podName === undefined
          ? {}
          : { pod: { name: binding.podName, uid: pod?.metadata.uid ?? "" } }),
        ...(nodeName === "" ? {} : { node: { name: nodeName, uid: node?.metadata.uid ?? "" } }),
      },
      sub: `system:serviceaccount:${namespace}:${name}`,
    };
    const signed = `${base64({ alg: "HS256", kid: "embedded" })}.${base64(claims)}`;
    return {
      token: `${signed}.${this.#signature(signed)}`,
      expiresMs: (seconds + lifetimeSeconds) * 1000,
    };
  }

  /**
   * Who a request's `Authorization` header says it is from.
   * @throws {ApiError} 401 for a token that does not count.
   */
  authenticate(authorization: string | undefined): User {
    if (authorization === undefined || authorization === "") return anonymous;
    const token = /^Bearer\s+(\S+)$/i.exec(authorization)?.[1];
    if (token === undefined) throw unauthorized();
    return this.userOf(token) ?? deny();
  }

  /** Who a token stands for, or undefined when it does not count. */
  userOf(token: string): User | undefined {
    const known = this.#users.get(token);
    if (known !== undefined) return known;
    const [header, payload, signature] = token.split(".");
    if (payload === undefined || signature !== this.#signature(`${header}.${payload}`)) {
      return undefined;
    }
    const claims: Json = JSON.parse(Buffer.from(payload, "base64url").toString());
    return this.#userOfClaims(claims);
  }

  #userOfClaims(claims: Json): User | undefined {
    if (Number(at(claims, "exp")) * 1000 <= this.#nowMs()) return undefined;
    const own = at(claims, "kubernetes.io");
    const namespace = textOf(at(own, "namespace"));
    const account = textOf(at(own, "serviceaccount", "name"));
    const uid = textOf(at(own, "serviceaccount", "uid"));
    if (this.#store.get("serviceaccounts", namespace, account)?.metadata.uid !== uid) {
      return undefined;
    }
    const podName = textOf(at(own, "pod", "name"));
    const podUid = textOf(at(own, "pod", "uid"));
    if (podUid !== "" && this.#store.get("pods", namespace, podName)?.metadata.uid !== podUid) {
      return undefined;
    }
    const prefix = "authentication.kubernetes.io";
    const extra: Record<string, string[]> = {
      [`${prefix}/credential-id`]: [`JTI=${textOf(at(claims, "jti"))}`],
    };
    for (const kind of ["pod", "node"]) {
      const name = textOf(at(own, kind, "name"));
      const uidOf = textOf(at(own, kind, "uid"));
      if (name !== "") extra[`${prefix}/${kind}-name`] = [name];
      if (uidOf !== "") extra[`${prefix}/${kind}-uid`] = [uidOf];
    }
    return {
      name: `system:serviceaccount:${namespace}:${account}`,
      uid,
      groups: [
        "system:serviceaccounts",
        `system:serviceaccounts:${namespace}`,
        "system:authenticated",
      ],
      extra,
    };
  }

  #signature(text: string): string {
    return createHmac("sha256", "embedded API server").update(text).digest("base64url");
  }
}

function deny(): never {
  throw unauthorized();
}
