<#
.SYNOPSIS
Logs Codex in for the loop, into .llm_loop/codex_home, apart from your own Codex login.
.PARAMETER WorkspaceRoot
Folder that holds config and .llm_loop. Default: the folder above this script.
.PARAMETER ApiKeyStdin
Takes an API key from standard input, or asks for it without showing it, instead of a device login.
.PARAMETER Status
Only says whether there is a login.
.PARAMETER InstallCli
Installs the Codex CLI into the environment of the loop first, or brings it up to date there.
.EXAMPLE
.\scripts\login_loop_codex.ps1 -InstallCli
#>

#Requires -Version 5.1
[CmdletBinding(PositionalBinding = $false)]
param(
    [string]$WorkspaceRoot = '',
    [switch]$ApiKeyStdin,
    [switch]$Status,
    [switch]$InstallCli
)
Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'
. "$PSScriptRoot/_loop.ps1"
if (-not $WorkspaceRoot) { $WorkspaceRoot = Split-Path -Parent $PSScriptRoot }
$cli = @('--workspace', $WorkspaceRoot, 'login')
if ($ApiKeyStdin) { $cli += '--api-key-stdin' }
if ($Status) { $cli += '--status' }
if ($InstallCli) { $cli += '--install-cli' }
Invoke-Bootstrap @cli
exit $LASTEXITCODE
