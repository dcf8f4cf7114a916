# What both packages do when they are installed or upgraded.
systemd-sysusers vispa-green.conf
systemd-tmpfiles --create vispa-green.conf
if [ -d /run/systemd/system ]; then
  systemctl daemon-reload
  # What ran before an upgrade goes on with the new version; what did not is not started.
  systemctl try-restart vispa-green-agent.service vispa-green-server.service vispa-green-sync.service
fi
