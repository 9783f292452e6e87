//! `hiraeth cert`: certificates to begin with, for who has no authority of his own.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, bail};
use tls::{Authority, Certificate, Issued, Role, Wanted};

/// Make certificates: an authority, and what it vouches for. All files are for their owner only (0600).
///
/// Whoever has an authority already can make them there: a node's certificate needs hiraeth://role/peer
/// among its alternative names (as a URI), the hosts and addresses it is reached by, and both usages (server
/// and client); a client's has its user as common name.
#[derive(clap::Args)]
#[command(after_help = "Example:
  hiraeth cert ca
  hiraeth cert node n1 --address n1.example,10.0.0.1
  hiraeth cert client root")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// An authority: ca.crt, for everybody, and ca.key, for a safe place.
    Ca {
        /// What it is called.
        #[arg(long, default_value = "Hiraeth CA")]
        name: String,
        /// For how many days it counts.
        #[arg(long, default_value_t = 3_650, value_parser = clap::value_parser!(u32).range(1..=36_500))]
        days: u32,
        #[command(flatten)]
        place: Place,
    },
    /// A node's certificate, for its client, HTTP and peer port.
    Node(Holder),
    /// A gateway's certificate, for its ports and towards members.
    Gateway(Holder),
    /// A client's certificate: with `--client-cert-auth` its holder is this user.
    Client {
        /// The user.
        #[arg(value_name = "USER")]
        name: String,
        #[command(flatten)]
        life: Life,
        #[command(flatten)]
        place: Place,
    },
    /// What a certificate says.
    Show {
        /// The certificate.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

#[derive(clap::Args)]
struct Holder {
    /// Its name.
    name: String,
    /// Hosts and IP addresses that it is reached by; localhost, 127.0.0.1 and ::1 are added.
    #[arg(long, required = true, value_delimiter = ',', value_name = "HOST,...")]
    address: Vec<String>,
    #[command(flatten)]
    life: Life,
    #[command(flatten)]
    place: Place,
}

#[derive(clap::Args)]
struct Life {
    /// For how many days it counts; fewer if the authority ends before.
    #[arg(long, default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..=36_500))]
    days: u32,
}

#[derive(clap::Args)]
struct Place {
    /// The folder of the authority and of all that it vouches for; made if missing.
    #[arg(long, default_value = "certs", value_name = "DIR")]
    dir: PathBuf,
    /// Put a new one in the place of one that is there.
    #[arg(long)]
    replace: bool,
}

const DAY: Duration = Duration::from_secs(24 * 3_600);

/// Makes what is wanted, and says what to do with it.
pub(crate) fn run(arguments: Arguments) -> anyhow::Result<()> {
    match arguments.what {
        What::Ca { name, days, place } => {
            let (_, own) = Authority::create(&name, SystemTime::now(), DAY * days)?;
            place.write("ca", &own)?;
            let dir = place.dir.display();
            println!(
                "\nKeep {dir}/ca.key where no server runs: whoever has it can be any node and any user."
            );
            println!("Next, for each node: hiraeth cert node NAME --address HOST{}", place.flag());
            Ok(())
        }
        What::Node(holder) => {
            holder.issue(Role::Peer)?;
            let (dir, name) = (holder.place.dir.display(), &holder.name);
            let (cert, key) = (format!("{dir}/{name}.crt"), format!("{dir}/{name}.key"));
            println!("\nBring these and {dir}/ca.crt to {name}, and start it there:");
            println!("  hiraeth serve --name {name} ... \\");
            println!("    --cert-file {cert} --key-file {key} --trusted-ca-file {dir}/ca.crt \\");
            println!(
                "    --peer-cert-file {cert} --peer-key-file {key} --peer-trusted-ca-file {dir}/ca.crt"
            );
            println!("Next, for each user: hiraeth cert client USER{}", holder.place.flag());
            Ok(())
        }
        What::Gateway(holder) => {
            holder.issue(Role::Gateway)?;
            let (dir, name) = (holder.place.dir.display(), &holder.name);
            let (cert, key) = (format!("{dir}/{name}.crt"), format!("{dir}/{name}.key"));
            println!("\nBring these and {dir}/ca.crt to the gateway, and start it there:");
            println!("  hiraeth serve --role gateway --endpoints https://NODE:2379,... \\");
            println!("    --cert-file {cert} --key-file {key} --trusted-ca-file {dir}/ca.crt \\");
            println!("    --endpoints-cert-file {cert} --endpoints-key-file {key} \\");
            println!("    --endpoints-trusted-ca-file {dir}/ca.crt");
            Ok(())
        }
        What::Client { name, life, place } => {
            place.issue(Role::Client, &name, &[], &life)?;
            let dir = place.dir.display();
            println!("\nWith these, as {name}:");
            println!("  hiraeth status --endpoints https://NODE:2379 \\");
            println!("    --cacert {dir}/ca.crt --cert {dir}/{name}.crt --key {dir}/{name}.key");
            println!("The same flags are etcdctl's.");
            Ok(())
        }
        What::Show { file } => show(&file),
    }
}

impl Holder {
    fn issue(&self, role: Role) -> anyhow::Result<()> {
        let mut hosts: Vec<String> = Vec::new();
        let given = self.address.iter().map(String::as_str);
        for host in given.chain(["localhost", "127.0.0.1", "::1"]) {
            if host.is_empty() || host.contains(['/', ' ']) || (host.contains(':') && !is_ip(host))
            {
                bail!("--address takes hosts and IP addresses without ports; {host:?} is none");
            }
            if !hosts.iter().any(|known| known == host) {
                hosts.push(host.to_owned());
            }
        }
        self.place.issue(role, &self.name, &hosts, &self.life)
    }
}

fn is_ip(host: &str) -> bool {
    host.parse::<std::net::IpAddr>().is_ok()
}

impl Place {
    /// For the next command, where the folder is not the usual one.
    fn flag(&self) -> String {
        match self.dir.as_os_str() == "certs" {
            true => String::new(),
            false => format!(" --dir {}", self.dir.display()),
        }
    }

    fn issue(&self, role: Role, name: &str, hosts: &[String], life: &Life) -> anyhow::Result<()> {
        let is_file = !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\0']);
        if !is_file || name == "ca" || name.chars().any(char::is_control) || name.len() > 64 {
            bail!(
                "{name:?} cannot be a certificate's name: it names its files, too (64 bytes at most)"
            );
        }
        let (ca, key) = (self.dir.join("ca.crt"), self.dir.join("ca.key"));
        if !ca.exists() || !key.exists() {
            let dir = self.dir.display();
            bail!(
                "there is no authority in {dir} (ca.crt, ca.key): make one with `hiraeth cert ca{}`",
                self.flag()
            );
        }
        let authority = Authority::load(&ca, &key)?;
        let from = SystemTime::now();
        let wanted = Wanted { role, name, hosts, from, life: DAY * life.days };
        self.write(name, &authority.issue(&wanted)?)
    }

    fn write(&self, name: &str, issued: &Issued) -> anyhow::Result<()> {
        let dir = &self.dir;
        std::fs::create_dir_all(dir)
            .with_context(|| format!("{} cannot be made", dir.display()))?;
        let files = [
            (dir.join(format!("{name}.crt")), &issued.certificate),
            (dir.join(format!("{name}.key")), &issued.key),
        ];
        if let Some((there, _)) = files.iter().find(|(path, _)| path.exists())
            && !self.replace
        {
            bail!("{} is there already; --replace puts a new one in its place", there.display());
        }
        // A server that looks at them takes both or, for a moment, refuses the new one.
        for (path, text) in files {
            write(&path, text).with_context(|| format!("{} cannot be written", path.display()))?;
            println!("wrote {}", path.display());
        }
        Ok(())
    }
}

/// For its owner alone; whole or not at all.
pub(crate) fn write(path: &Path, text: &str) -> std::io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    drop(std::fs::remove_file(&beside));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&beside, path)
}

fn show(file: &Path) -> anyhow::Result<()> {
    for certificate in Certificate::of_file(file)? {
        let name = certificate.common_name.as_deref().unwrap_or("-");
        println!("name       {name}");
        println!("issuer     {}", certificate.issuer.as_deref().unwrap_or("-"));
        println!("roles      {}", certificate.roles);
        println!("hosts      {}", certificate.hosts.join(", "));
        let (from, until) = certificate.days();
        println!("counts     {from} to {until}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use clap::Parser;
    use tls::{Files, Role, Set};

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        arguments: super::Arguments,
    }

    fn cert(line: &str) -> anyhow::Result<()> {
        let words = std::iter::once("cert").chain(line.split(' '));
        super::run(Line::try_parse_from(words)?.arguments)
    }

    #[test]
    fn an_authority_a_node_and_a_user_make_a_working_set() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("certs");
        let at = format!("--dir {}", dir.display());
        let none = cert(&format!("client alice {at}")).unwrap_err().to_string();
        assert!(none.contains("hiraeth cert ca"), "{none}");
        cert(&format!("ca {at}")).unwrap();
        cert(&format!("node n1 --address n1.example,10.0.0.1 {at}")).unwrap();
        cert(&format!("client alice {at}")).unwrap();
        for file in std::fs::read_dir(&dir).unwrap().map(Result::unwrap) {
            assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        }
        let path = |file: &str| Some(dir.join(file));
        let files = |name: &str| Files {
            cert: path(&format!("{name}.crt")),
            key: path(&format!("{name}.key")),
            trusted_ca: path("ca.crt"),
        };
        assert!(Set::peers(files("n1")).is_ok());
        assert!(Set::outgoing("client", files("alice"), Some(Role::Client)).is_ok());
        assert!(Set::peers(files("alice")).is_err());

        let again = cert(&format!("node n1 --address n1.example {at}")).unwrap_err().to_string();
        assert!(again.contains("--replace"), "{again}");
        cert(&format!("node n1 --address n1.example --replace {at}")).unwrap();
        for wrong in
            ["node n1", "node ../x --address h", "node ca --address h", "node x --address h:1"]
        {
            assert!(cert(&format!("{wrong} {at}")).is_err(), "{wrong}");
        }
        cert(&format!("show {}/n1.crt", dir.display())).unwrap();
    }
}
