// What went wrong: what was asked, what came back, and what to do about it.

export class Problem extends Error {
  /** `asked` in words of HTTP; `status` 0 where nothing came back; `code` is gRPC's, if one was told. */
  constructor(asked, status, words, code = 0) {
    super(words);
    Object.assign(this, { asked, status, words, code });
  }

  /** Whether somebody has to say who asks. */
  get wantsUser() {
    return /user name is empty|invalid auth token/.test(this.words) || this.status === 401;
  }

  get isForbidden() {
    return /permission denied/i.test(this.words) || this.status === 403;
  }

  get came() {
    return this.status === 0 ? this.words : `${this.status}: ${this.words || "nothing more"}`;
  }

  get advice() {
    if (this.wantsUser)
      return "Users are on in this cluster. Log in; what you see is what that user may see.";
    if (this.isForbidden) {
      return (
        "The user you are logged in as may not read this. Log in as another one, or have the right granted: " +
        "etcdctl role grant-permission. What is about all keys and nodes is for root."
      );
    }
    if (this.status === 0) {
      return (
        "This node does not answer. It may be down, or the way to it. The console of another node shows the " +
        "rest of the cluster; on the machine, look at the node's log, and at hiraeth flight --data-dir DIR."
      );
    }
    if (/no leader|leader changed/i.test(this.words)) {
      return (
        "Nobody leads what was asked for. An election takes a second or two; if this stays, too few nodes are " +
        "there: look at the cluster map for those that are lost, and start them again."
      );
    }
    if (/compacted/.test(this.words))
      return "That revision was compacted: it is gone for good. Newer ones are there.";
    if (this.status === 404)
      return "It is not there, or not any more. Go back to the list and look for it by its name.";
    if (this.status === 429)
      return "The node has enough to do. Wait some seconds; close pages of the console you do not need.";
    if (this.status === 501) return "This cannot be asked of a sharded keyspace, or not of this version yet.";
    if (this.status >= 502 && this.status <= 504)
      return "The node cannot answer now. Wait some seconds and ask again.";
    if (this.status === 400)
      return "The request makes no sense to the server. If you typed something, look at it again.";
    return "Ask again; if it stays, look at the node's log, which has more.";
  }
}
