<#
.SYNOPSIS
Makes the two Python environments of the loop, .venv and .venv-train, and starts nothing.
.DESCRIPTION
A second call does only what is missing. The torch build that fits this machine is chosen by itself.
.PARAMETER WorkspaceRoot
Folder that holds config and .llm_loop. Default: the folder above this script. The environments themselves always lie
in the folder above this script.
.EXAMPLE
.\scripts\install_tools.ps1
#>

#Requires -Version 5.1
[CmdletBinding(PositionalBinding = $false)]
param(
    [string]$WorkspaceRoot = ''
)
Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'
. "$PSScriptRoot/_loop.ps1"
if (-not $WorkspaceRoot) { $WorkspaceRoot = Split-Path -Parent $PSScriptRoot }
Invoke-Bootstrap '--workspace' $WorkspaceRoot 'install'
exit $LASTEXITCODE
